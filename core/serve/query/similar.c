/* SPDX-License-Identifier: Apache-2.0 */
/*
 * similar: lists what is similar to an item or a text, by the whole row of H or by one part p of
 * it.
 *
 *     likeness(i, j) = <p_i, p_j> / (|p_i| sqrt(|p_j| typical))  +  what links from i add to j
 *
 * The first term is the cosine, times the root of |p_j| over the typical norm. An item's norm grows
 * with its number of buyers. By inner product, popular items would be similar to everything. By
 * cosine, the most similar items would be rare ones that nobody takes. This measure lies between
 * them (figures: docs/measurements/quality.md). An item that nobody had taken when the generation
 * was made has a short row, so its norm counts as typical. This fades as users take it.
 *
 * Without features, nothing is known of an item but who took it, and the measure is close to that
 * of a session of the item: an inner product that leans towards the mean user m (of length 1), and
 * links whose weights are raised to a power:
 *
 *     likeness(i, j) = <p_i / |p_i| + BARE_LEAN m, p_j> / typical  +  what sharpened links add
 *
 * Links add as they do for a session of that one item (core/serve/query/linked.c): collaborative
 * links to the collaborative likeness, content links to the multimodal one, both to the whole.
 *
 * Every candidate is scored, so the list is exact.
 */
#include <math.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/search/scan.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/recommend_scratch.h"

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

/* Chosen on held-out training interactions: docs/measurements/quality.md. */
#define BARE_LEAN 0.5F

/* aim writes the vector s->q whose inner products with rows of H are those of the parts, with the
 * part at length 1 and, without features, the mean user in addition. */
static bool aim(const base *b, similar_by by, const float *h, recommend_scratch *s)
{
    const float *mean = b->shared->typical_user; /* NULL if there are features */
    float length = part_length(b, by, h, s);
    if (!(length > 0)) {
        return false;
    }
    for (size_t j = 0; j < b->dim; j++) {
        s->m[j] = s->m[j] / length + (mean != NULL ? BARE_LEAN * mean[j] : 0);
    }
    if (by == SIMILAR_ALL) {
        memcpy(s->q, s->m, b->dim * sizeof *s->q);
        return true;
    }
    parts_multimodal(b->parts, s->m, s->q);
    for (size_t j = 0; by == SIMILAR_COLLABORATIVE && j < b->dim; j++) {
        s->q[j] = s->m[j] - s->q[j];
    }
    return true;
}

/* likeness returns the whole score of a row. `dot` is its inner product with s->q, and 1 /
 * `inverse` is the norm of its part. For a norm of 0, only links count. */
static float likeness(const view *v, similar_by by, const recommend_scratch *s, uint32_t row,
                      float dot, float inverse)
{
    const base *b = v->base;
    float typical = b->typical_norm[by], norm = inverse > 0 ? 1 / inverse : 0;
    float near = base_bare(b) ? dot / typical : dot * sqrtf(inverse / typical);
    if (base_untaken(b, row) && norm > 0 && norm < typical) {
        norm += (typical - norm) * coldstart_lean(b->shared->cold, view_item_users(v, row));
        near = dot * inverse * (base_bare(b) ? norm / typical : sqrtf(norm / typical));
    }
    return links_sum_score(&s->sums, row, near, s->factor);
}

static bool is_candidate(const view *v, const recommend_scratch *s, uint32_t row)
{
    return bits_test(s->allowed, row) && view_bit(&v->placed, row);
}

/* near_in_base and near_in_delta offer the rows most similar to s->q, which has length 1 under the
 * part. */
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
                float score =
                    likeness(v, by, s, row, s->scores[row - first], b->inverse_norm[by][row]);
                topk_push(best, row, score);
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
            topk_push(best, row, likeness(v, by, s, row, scan_dot(s->q, h, b->dim), 1 / norm));
        }
    }
}

/* list_near lists the items nearest to a row of H, including the links of s->profile and
 * s->text. */
static void list_near(const view *v, const float *h, similar_by by, const list_query *q,
                      recommend_scratch *s, recommend_result *out)
{
    topk best;
    if (!aim(v->base, by, h, s)) {
        return;
    }
    linked_similar(v, by, s);
    topk_init(&best, s->best, q->k + q->offset);
    near_in_base(v, by, s, &best);
    near_in_delta(v, by, s, &best);
    size_t count = topk_finish(&best);
    for (size_t i = 0; i < count; i++) {
        s->hits[i] = (recommend_hit){.row = s->best[i].row, .score = s->best[i].score};
    }
    list_end(q, s, count, out);
}

err_code similar_text(const view *v, const cold_item *text, similar_by by, const list_query *q,
                      recommend_scratch *s, recommend_result *out, err *e)
{
    err_code code = list_begin(v, q, s, out, e);
    if (code != ERR_OK) {
        return code;
    }
    s->profile_count = s->session_count = 0;
    if (text_h(v, text, s)) {
        list_near(v, s->h, by, q, s, out);
        return ERR_OK;
    }
    list_end(q, s, fill_by_number(v, TOP_USERS, 0, q->k + q->offset, s), out);
    out->fallback = v->base == NULL ? FALLBACK_NO_MODEL : FALLBACK_UNKNOWN_USER;
    return ERR_OK;
}

err_code similar(const view *v, uint32_t item, similar_by by, const list_query *q,
                 recommend_scratch *s, recommend_result *out, err *e)
{
    err_code code = list_begin(v, q, s, out, e);
    if (code != ERR_OK || v->base == NULL) {
        out->fallback = v->base == NULL ? FALLBACK_NO_MODEL : FALLBACK_NONE;
        return code;
    }
    const float *h = view_vector(v, item, VECTOR_H);
    if (h != NULL) {
        s->text = NULL;
        s->profile_count = s->session_count = 0;
        code = scratch_profile_push(s, (profile_item){.item = item, .weight = 1}, e);
    }
    if (h != NULL && code == ERR_OK) {
        take_out(s->allowed, item, v->item_rows);
        list_near(v, h, by, q, s, out);
    }
    return code;
}
