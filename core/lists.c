/*
 * lists: what to show without knowing anybody, popular and latest items, and what resembles an
 * item. Popular items also fill the lists that vectors leave short.
 */
#include <math.h>
#include <string.h>

#include "core/filter_bits.h"
#include "core/recommend_scratch.h"
#include "core/scan.h"

static int64_t number_of(const view *v, number_kind kind, uint32_t row)
{
    return kind == NUMBER_USERS ? (int64_t)view_item_users(v, row) : view_item_created(v, row);
}

/* A hit that waits in the heap; float scores cannot hold an epoch second, so the number is looked
 * up again. Of one second the row that came last is the newer one. Items that nobody has bought
 * follow the popular ones newest first: a shop without purchases has a list, too. */
static bool before(const view *v, number_kind kind, const recommend_hit *a, const recommend_hit *b)
{
    int64_t one = number_of(v, kind, a->row), other = number_of(v, kind, b->row);
    if (kind == NUMBER_USERS && one == 0 && other == 0) {
        return before(v, NUMBER_CREATED, a, b);
    }
    return one > other || (one == other && (kind == NUMBER_CREATED) == (a->row > b->row));
}

static void swap_hits(recommend_hit *a, recommend_hit *b)
{
    recommend_hit kept = *a;
    *a = *b;
    *b = kept;
}

/* sink restores the heap (worst hit on top) below place i. */
static void sink(const view *v, number_kind kind, recommend_hit *heap, size_t count, size_t i)
{
    for (size_t child = 2 * i + 1; child < count; i = child, child = 2 * i + 1) {
        if (child + 1 < count && before(v, kind, &heap[child], &heap[child + 1])) {
            child++;
        }
        if (!before(v, kind, &heap[i], &heap[child])) {
            return;
        }
        swap_hits(&heap[i], &heap[child]);
    }
}

static size_t offer(const view *v, number_kind kind, recommend_hit *heap, size_t count, size_t room,
                    uint32_t row)
{
    recommend_hit hit = {.row = row, .popular = true, .score = (float)number_of(v, kind, row)};
    if (count < room) {
        size_t i = count;
        heap[i] = hit;
        while (i > 0 && before(v, kind, &heap[(i - 1) / 2], &heap[i])) {
            swap_hits(&heap[(i - 1) / 2], &heap[i]);
            i = (i - 1) / 2;
        }
        return count + 1;
    }
    if (before(v, kind, &hit, &heap[0])) {
        heap[0] = hit;
        sink(v, kind, heap, count, 0);
    }
    return count;
}

size_t fill_by_number(const view *v, number_kind kind, size_t at, size_t depth,
                      recommend_scratch *s)
{
    recommend_hit *heap = s->hits + at;
    size_t room = depth > at ? depth - at : 0, count = 0;
    for (size_t w = 0, words = filter_words(v); w < words && room > 0; w++) {
        for (uint64_t left = s->allowed[w]; left != 0; left &= left - 1) {
            uint32_t row = (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(left));
            count = offer(v, kind, heap, count, room, row);
        }
    }
    for (size_t left = count; left > 1; left--) {
        swap_hits(&heap[0], &heap[left - 1]);
        sink(v, kind, heap, left - 1, 0);
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
    filter_bits(v, q->filter, s->allowed);
    for (size_t i = 0; i < q->exclude_count; i++) {
        take_out(s->allowed, q->exclude[i], v->item_rows);
    }
    return ERR_OK;
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
        end_list(q, s, fill_by_number(v, NUMBER_USERS, 0, q->k + q->offset, s), out);
    }
    return rc;
}

err_code latest(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                err *e)
{
    err_code rc = begin_list(v, q, s, out, e);
    if (rc == ERR_OK) {
        end_list(q, s, fill_by_number(v, NUMBER_CREATED, 0, q->k + q->offset, s), out);
    }
    return rc;
}

/* part_of writes one part of a row of H. */
static void part_of(const base *b, similar_by by, const float *h, float *out)
{
    if (by == SIMILAR_ALL) {
        memcpy(out, h, b->dim * sizeof *out);
    } else {
        parts_row(b->split, by == SIMILAR_MULTIMODAL, h, out);
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
        parts_multimodal(b->split, s->m, s->q);
    }
    for (size_t j = 0; j < b->dim; j++) {
        s->q[j] = (by == SIMILAR_COLLABORATIVE ? s->m[j] - s->q[j] : s->q[j]) / length;
    }
    return true;
}

static bool is_candidate(const view *v, const recommend_scratch *s, uint32_t row)
{
    return (s->allowed[row / 64] >> (row % 64) & 1) != 0 && view_bit(&v->placed, row);
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

err_code similar(const view *v, uint32_t item, similar_by by, const list_query *q,
                 recommend_scratch *s, recommend_result *out, err *e)
{
    err_code rc = begin_list(v, q, s, out, e);
    if (rc != ERR_OK || v->base == NULL) {
        out->fallback = v->base == NULL ? FALLBACK_NO_MODEL : FALLBACK_NONE;
        return rc;
    }
    const base *b = v->base;
    const float *h = view_vector(v, item, VECTOR_H);
    if (h == NULL || !aim(b, by, h, s)) {
        return ERR_OK;
    }
    take_out(s->allowed, item, v->item_rows);
    topk best;
    topk_init(&best, s->best, q->k + q->offset);
    near_in_base(v, by, s, &best);
    near_in_delta(v, by, s, &best);
    size_t count = topk_finish(&best);
    for (size_t i = 0; i < count; i++) {
        s->hits[i] = (recommend_hit){.row = s->best[i].row, .score = s->best[i].score};
    }
    end_list(q, s, count, out);
    return ERR_OK;
}
