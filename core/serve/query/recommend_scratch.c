/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recommend_scratch: allocates the scratch memory, which grows and never shrinks. The header has
 * the contract.
 */
#include "core/serve/query/recommend_scratch.h"

#include <string.h>

#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/top.h"

/* refit enlarges a buffer without keeping its content. */
static err_code refit(void *buffer, size_t *room, size_t wanted, size_t size, err *e)
{
    void **at = buffer;
    if (wanted <= *room) {
        return ERR_OK;
    }
    size_t larger = wanted + wanted / 8;
    void *fresh = mem_table(larger, size);
    if (fresh == NULL) {
        return err_nomem(e, "a query's scratch");
    }
    mem_free(*at);
    *at = fresh;
    *room = larger;
    return ERR_OK;
}

err_code recommend_scratch_new(recommend_scratch **out, err *e)
{
    *out = NULL;
    recommend_scratch *s = mem_array(1, sizeof *s);
    if (s == NULL) {
        return err_nomem(e, "a query's scratch");
    }
    s->best = mem_array(POOL_MAX, sizeof *s->best);
    s->scores = mem_table(SCORE_BLOCK, sizeof *s->scores);
    s->relevance = mem_array(POOL_MAX, sizeof *s->relevance);
    s->nearness = mem_array(POOL_MAX, sizeof *s->nearness);
    s->compared = mem_array(POOL_MAX, sizeof *s->compared);
    s->hits = mem_array(POOL_MAX, sizeof *s->hits);
    s->order = mem_array(RECOMMEND_DEPTH_MAX, sizeof *s->order);
    s->own = mem_array(REASONS_MAX, sizeof *s->own);
    s->keys = mem_array(POOL_MAX, sizeof *s->keys);
    err_code code = index_scratch_new(&s->index, e);
    if (code == ERR_OK && (s->best == NULL || s->scores == NULL || s->relevance == NULL ||
                           s->nearness == NULL || s->compared == NULL || s->hits == NULL ||
                           s->order == NULL || s->own == NULL || s->keys == NULL)) {
        code = err_nomem(e, "a query's scratch");
    }
    if (code != ERR_OK) {
        recommend_scratch_free(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void recommend_scratch_free(recommend_scratch *s)
{
    if (s == NULL) {
        return;
    }
    index_scratch_free(s->index);
    void *buffers[] = {s->allowed, s->skip,      s->profile,  s->h,        s->m,
                       s->q,       s->owned,     s->unit,     s->best,     s->scores,
                       s->linked,  s->relevance, s->nearness, s->compared, s->adds,
                       s->leading, s->hits,      s->order,    s->own,      s->keys};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        mem_free(buffers[i]);
    }
    links_sum_fini(&s->sums);
    for (size_t i = 0; i < SHARED_FILTERS; i++) {
        mem_free(s->shared[i].words);
    }
    mem_free(s);
}

void recommend_scratch_share(recommend_scratch *s, bool share)
{
    s->sharing = share;
    s->shared_next = 0;
    for (size_t i = 0; i < SHARED_FILTERS; i++) {
        s->shared[i].of = NULL;
    }
}

void recommend_scratch_on_filtered(recommend_scratch *s, void (*filtered)(void *ctx), void *ctx)
{
    s->filtered = filtered;
    s->filtered_ctx = ctx;
}

/* shared_bits copies the bitmap of a shared filter, and evaluates it at its first use. */
static err_code shared_bits(recommend_scratch *s, const view *v, const filter *f, err *e)
{
    size_t words = filter_words(v), i = 0;
    while (i < SHARED_FILTERS && s->shared[i].of != f) {
        i++;
    }
    if (i < SHARED_FILTERS) {
        memcpy(s->allowed, s->shared[i].words, words * sizeof *s->allowed);
        return ERR_OK;
    }
    shared_filter *place = &s->shared[s->shared_next];
    s->shared_next = (s->shared_next + 1) % SHARED_FILTERS;
    place->of = NULL;
    err_code code = refit(&place->words, &place->words_room, words, sizeof *place->words, e);
    if (code == ERR_OK) {
        filter_bits(v, f, place->words);
        place->of = f;
        memcpy(s->allowed, place->words, words * sizeof *s->allowed);
    }
    return code;
}

err_code scratch_allow(recommend_scratch *s, const view *v, const filter *f,
                       const uint32_t *exclude, size_t count, err *e)
{
    err_code code = ERR_OK;
    if (s->sharing && f != NULL && filter_words(v) > 0) {
        code = shared_bits(s, v, f, e);
    } else {
        filter_bits(v, f, s->allowed);
    }
    for (size_t i = 0; i < count; i++) {
        take_out(s->allowed, exclude[i], v->item_rows);
    }
    if (s->filtered != NULL) {
        s->filtered(s->filtered_ctx);
    }
    return code;
}

err_code scratch_fit(recommend_scratch *s, const view *v, err *e)
{
    size_t dim = view_dim(v);
    size_t words = filter_words(v), other = s->words_room, same = s->dim_room, again = same;
    err_code code = refit(&s->allowed, &other, words, sizeof *s->allowed, e);
    if (code == ERR_OK) {
        code = refit(&s->skip, &s->words_room, words, sizeof *s->skip, e);
    }
    if (code == ERR_OK) {
        code = refit(&s->h, &same, dim, sizeof *s->h, e);
    }
    if (code == ERR_OK) {
        code = refit(&s->m, &again, dim, sizeof *s->m, e);
    }
    if (code == ERR_OK) {
        code = refit(&s->q, &s->dim_room, dim, sizeof *s->q, e);
    }
    size_t leading = s->linked_room, linked = leading;
    if (code == ERR_OK) {
        code = links_sum_fit(&s->sums, v->item_rows + 1, e);
    }
    if (code == ERR_OK) {
        code = refit(&s->linked, &linked, s->sums.room + 1, sizeof *s->linked, e);
    }
    if (code == ERR_OK) {
        code = refit(&s->leading, &leading, s->sums.room + 1, sizeof *s->leading, e);
    }
    if (code == ERR_OK) {
        code = refit(&s->adds, &s->linked_room, s->sums.room + 1, sizeof *s->adds, e);
    }
    return code;
}

err_code scratch_unit(recommend_scratch *s, size_t floats, err *e)
{
    return refit(&s->unit, &s->unit_room, floats, sizeof *s->unit, e);
}

err_code scratch_profile_push(recommend_scratch *s, profile_item item, err *e)
{
    if (s->profile_count == s->profile_room) {
        size_t room = s->profile_room * 2 + 64;
        profile_item *grown = mem_grow(s->profile, room, sizeof *grown);
        if (grown == NULL) {
            return err_nomem(e, "a user's profile");
        }
        s->profile = grown;
        links_owned *owned = mem_grow(s->owned, room, sizeof *owned);
        if (owned == NULL) {
            return err_nomem(e, "a user's profile");
        }
        s->owned = owned;
        s->profile_room = room;
    }
    s->profile[s->profile_count++] = item;
    return ERR_OK;
}
