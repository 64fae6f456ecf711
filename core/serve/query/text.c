/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text: turns the words of a query into a vector.
 *
 * The text is encoded like an item posted at this moment (core/serve/state/coldstart.h): its row of
 * H is w e and its row of G is f w e. Alone, it asks like a user who took that item and nothing
 * else: H = w e + G. Together with a user or a session it has the same weight as everything that
 * they took: half of the row is theirs, and half, at the same length, is the text's.
 */
#include <math.h>
#include <string.h>

#include "core/search/scan.h"
#include "core/serve/query/recommend_scratch.h"

static bool is_known(const view *v, const cold_item *text)
{
    return text != NULL && v->base != NULL && text->generation == v->base->generation &&
           text->used != 0;
}

bool text_row(const view *v, const cold_item *text, bool personal, recommend_scratch *s)
{
    s->text = NULL;
    if (!is_known(v, text)) {
        return personal;
    }
    s->text = text;
    const base *b = v->base;
    size_t dim = b->dim;
    float *own = s->m; /* unused until the query is balanced */
    for (size_t j = 0; j < dim; j++) {
        own[j] = b->w[j] * text->embedding[j] * (1 + (b->layers > 0 ? b->f[j] : 0));
    }
    float length = sqrtf(scan_dot(own, own, dim));
    float theirs = personal ? sqrtf(scan_dot(s->h, s->h, dim)) : 0;
    if (!(length > 0)) {
        return personal;
    }
    if (!(theirs > 0)) {
        memcpy(s->h, own, dim * sizeof *s->h);
        return true;
    }
    for (size_t j = 0; j < dim; j++) {
        s->h[j] = 0.5F * (s->h[j] + own[j] * (theirs / length));
    }
    return true;
}

bool text_h(const view *v, const cold_item *text, recommend_scratch *s)
{
    s->text = NULL;
    if (!is_known(v, text)) {
        return false;
    }
    s->text = text;
    for (size_t j = 0; j < v->base->dim; j++) {
        s->h[j] = v->base->w[j] * text->embedding[j];
    }
    return true;
}
