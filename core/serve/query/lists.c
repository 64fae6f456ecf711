/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lists: what to show without knowing anybody, popular and latest items, and what resembles an
 * item. Popular items also fill the lists that vectors leave short.
 */
#include <math.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/search/scan.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/recommend_scratch.h"
#include "core/serve/query/top.h"

static recommend_hit hit_of(const view *v, top_kind kind, uint32_t row)
{
    int64_t number = kind == TOP_USERS ? view_item_users(v, row) : view_item_created(v, row);
    return (recommend_hit){.row = row, .popular = true, .score = (float)number};
}

size_t fill_by_number(const view *v, top_kind kind, size_t at, size_t depth, recommend_scratch *s)
{
    const top_list *top = v->top[kind];
    size_t room = depth > at ? depth - at : 0, count = 0;
    for (size_t i = 0; top != NULL && i < top->count && count < room; i++) {
        uint32_t row = top->keys[i].row;
        if (bits_test(s->allowed, row)) {
            s->hits[at + count++] = hit_of(v, kind, row);
        }
    }
    if (count == room || (top != NULL && top->whole)) {
        return at + count;
    }
    count = top_scan(v, kind, s->allowed, s->keys, room);
    for (size_t i = 0; i < count; i++) {
        s->hits[at + i] = hit_of(v, kind, s->keys[i].row);
    }
    return at + count;
}

/* begin_list checks the query and makes the bitmap of candidates. */
static err_code begin_list(const view *v, const list_query *q, recommend_scratch *s,
                           recommend_result *out, err *e)
{
    *out = (recommend_result){.hits = s->hits, .exact = true};
    if (q->k < 1 || q->offset > RECOMMEND_DEPTH_MAX || q->k > RECOMMEND_DEPTH_MAX - q->offset) {
        return err_set(e, ERR_INVALID, "k: %zu at offset %zu, allowed 1 to %d together", q->k,
                       q->offset, RECOMMEND_DEPTH_MAX);
    }
    err_code rc = scratch_fit(s, v, e);
    if (rc != ERR_OK) {
        return rc;
    }
    return scratch_allow(s, v, q->filter, q->exclude, q->exclude_count, e);
}

static void end_list(const list_query *q, const recommend_scratch *s, size_t count,
                     recommend_result *out)
{
    size_t skipped = q->offset < count ? q->offset : count;
    out->hits = s->hits + skipped;
    out->count = count - skipped;
}

err_code popular(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                 err *e)
{
    err_code rc = begin_list(v, q, s, out, e);
    if (rc == ERR_OK) {
        end_list(q, s, fill_by_number(v, TOP_USERS, 0, q->k + q->offset, s), out);
    }
    return rc;
}

err_code latest(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                err *e)
{
    err_code rc = begin_list(v, q, s, out, e);
    if (rc == ERR_OK) {
        end_list(q, s, fill_by_number(v, TOP_CREATED, 0, q->k + q->offset, s), out);
    }
    return rc;
}

/* part_of writes one part of a row of H. */
static void part_of(const base *b, similar_by by, const float *h, float *out)
{
    if (by == SIMILAR_ALL) {
        memcpy(out, h, b->dim * sizeof *out);
    } else {
        parts_row(b->parts, by == SIMILAR_MULTIMODAL, h, out);
    }
}

/* part_length writes the part to s->m and returns its length. */
static float part_length(const base *b, similar_by by, const float *h, recommend_scratch *s)
{
    part_of(b, by, h, s->m);
    return sqrtf(scan_dot(s->m, s->m, b->dim));
}

/* aim makes s->q the vector whose products with rows of H are those of the parts, at length 1. */
static bool aim(const base *b, similar_by by, const float *h, recommend_scratch *s)
{
    float length = part_length(b, by, h, s);
    if (!(length > 0)) {
        return false;
    }
    if (by == SIMILAR_ALL) {
        memcpy(s->q, s->m, b->dim * sizeof *s->q);
    } else {
        parts_multimodal(b->parts, s->m, s->q);
    }
    for (size_t j = 0; j < b->dim; j++) {
        s->q[j] = (by == SIMILAR_COLLABORATIVE ? s->m[j] - s->q[j] : s->q[j]) / length;
    }
    return true;
}

static bool is_candidate(const view *v, const recommend_scratch *s, uint32_t row)
{
    return bits_test(s->allowed, row) && view_bit(&v->placed, row);
}

/* near_in_base and near_in_delta offer cosines to s->q, which has length 1 under the part. */
static void near_in_base(const view *v, similar_by by, recommend_scratch *s, topk *best)
{
    const base *b = v->base;
    for (size_t first = 0; first < b->items; first += 64) {
        uint64_t left = s->allowed[first / 64];
        size_t rows = b->items - first < 64 ? b->items - first : 64;
        if (left == 0) {
            continue;
        }
        scan_rows(b->h + first * b->dim, rows, b->dim, s->q, s->scores);
        for (; left != 0; left &= left - 1) {
            uint32_t row = (uint32_t)(first + (unsigned)__builtin_ctzll(left));
            if (row < b->items && view_bit(&v->placed, row) && !view_bit(&v->stale, row)) {
                topk_push(best, row, s->scores[row - first] * b->inverse_norm[by][row]);
            }
        }
    }
}

static void near_in_delta(const view *v, similar_by by, recommend_scratch *s, topk *best)
{
    const base *b = v->base;
    for (size_t slot = 0; slot < v->delta_count; slot++) {
        const delta_chunk *chunk = v->delta->chunks[slot / DELTA_CHUNK_ROWS];
        uint32_t row = chunk->rows[slot % DELTA_CHUNK_ROWS];
        const float *h = chunk->h + slot % DELTA_CHUNK_ROWS * b->dim;
        float norm = 0;
        if (is_candidate(v, s, row) && view_slot(v, row) == slot) {
            norm = part_length(b, by, h, s);
        }
        if (norm > 0) {
            topk_push(best, row, scan_dot(s->q, h, b->dim) / norm);
        }
    }
}

/* list_near lists what is nearest to a row of H. */
static void list_near(const view *v, const float *h, similar_by by, const list_query *q,
                      recommend_scratch *s, recommend_result *out)
{
    topk best;
    if (!aim(v->base, by, h, s)) {
        return;
    }
    topk_init(&best, s->best, q->k + q->offset);
    near_in_base(v, by, s, &best);
    near_in_delta(v, by, s, &best);
    size_t count = topk_finish(&best);
    for (size_t i = 0; i < count; i++) {
        s->hits[i] = (recommend_hit){.row = s->best[i].row, .score = s->best[i].score};
    }
    end_list(q, s, count, out);
}

err_code similar_text(const view *v, const cold_item *text, similar_by by, const list_query *q,
                      recommend_scratch *s, recommend_result *out, err *e)
{
    err_code rc = begin_list(v, q, s, out, e);
    if (rc != ERR_OK) {
        return rc;
    }
    if (text_h(v, text, s)) {
        list_near(v, s->h, by, q, s, out);
        return ERR_OK;
    }
    end_list(q, s, fill_by_number(v, TOP_USERS, 0, q->k + q->offset, s), out);
    out->fallback = v->base == NULL ? FALLBACK_NO_MODEL : FALLBACK_UNKNOWN_USER;
    return ERR_OK;
}

err_code similar(const view *v, uint32_t item, similar_by by, const list_query *q,
                 recommend_scratch *s, recommend_result *out, err *e)
{
    err_code rc = begin_list(v, q, s, out, e);
    if (rc != ERR_OK || v->base == NULL) {
        out->fallback = v->base == NULL ? FALLBACK_NO_MODEL : FALLBACK_NONE;
        return rc;
    }
    const float *h = view_vector(v, item, VECTOR_H);
    if (h != NULL) {
        take_out(s->allowed, item, v->item_rows);
        list_near(v, h, by, q, s, out);
    }
    return ERR_OK;
}
