/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diversity: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).
 *
 * Greedy: the next item is the one with the largest (1 - d) * relevance - d * nearness. Relevance
 * is the item's score, scaled to 0..1 over the best SCALE_HITS (lower ranks fall below 0). Nearness
 * is its largest cosine (of H) to an item chosen before. Ties go to the better rank. Scores stay
 * unchanged; only the order changes. diversity_reference.c has the plain form.
 *
 * Neither the scale nor the pool for a place depends on how many places are wanted. So a list is
 * the beginning of every longer one, and pages fit together.
 *
 * Cost: nearness only grows, so a value computed against fewer chosen items is an upper bound of
 * the present value. Candidates wait in a heap ordered by that bound. Only the top candidate is
 * compared with the items chosen since, a block at a time, until it falls behind the next one or is
 * exact (lazy greedy: Minoux 1978). The list equals that of the full comparison.
 */
#include <math.h>
#include <string.h>

#include "core/search/scan.h"
#include "core/serve/query/recommend_scratch.h"

/* Also the smallest pool, so that the scale never covers fewer items than were requested. */
enum { SCALE_HITS = 100 };

/* How many chosen items a candidate is compared with before its bound is checked again. */
enum { COMPARE_BLOCK = 16 };

/* diversity_pool returns a pool that is large enough to choose from, without ranking the whole
 * catalogue. */
size_t diversity_pool(size_t places)
{
    size_t pool = places * 4 > SCALE_HITS ? places * 4 : SCALE_HITS;
    return pool < POOL_MAX ? pool : POOL_MAX;
}

static err_code prepare(const view *v, size_t count, recommend_scratch *s, err *e)
{
    size_t dim = v->base->dim;
    /* the chosen rows are copied side by side, after the candidates' rows */
    err_code code = scratch_unit(s, 2 * count * dim, e);
    if (code != ERR_OK) {
        return code;
    }
    size_t scaled = count < SCALE_HITS ? count : SCALE_HITS;
    float low = s->hits[scaled - 1].score, span = s->hits[0].score - low;
    for (size_t i = 0; i < count; i++) {
        const float *h = view_vector(v, s->hits[i].row, VECTOR_H);
        float norm = sqrtf(scan_dot(h, h, dim));
        for (size_t j = 0; j < dim; j++) {
            s->unit[i * dim + j] = norm > 0 ? h[j] / norm : 0;
        }
        s->relevance[i] = span > 0 ? (s->hits[i].score - low) / span : 1;
        s->nearness[i] = 0;
        s->compared[i] = 0;
    }
    return ERR_OK;
}

/* sift_down restores the heap s->best: `row` is the candidate's rank, `score` the upper bound of
 * its value. */
static void sift_down(topk_hit *heap, size_t count, size_t at)
{
    topk_hit moved = heap[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && topk_better(heap[child + 1], heap[child]);
        if (!topk_better(heap[child], moved)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static void push(topk_hit *heap, size_t count, topk_hit entered)
{
    size_t at = count;
    while (at > 0 && topk_better(entered, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = entered;
}

static float value_of(const recommend_scratch *s, float diversity, uint32_t rank)
{
    return (1 - diversity) * s->relevance[rank] - diversity * s->nearness[rank];
}

/* compare updates a candidate's nearness with one more block of the chosen rows. */
static void compare(recommend_scratch *s, uint32_t rank, const float *chosen_rows, size_t chosen,
                    size_t dim)
{
    float near[COMPARE_BLOCK];
    size_t done = s->compared[rank], rows = chosen - done;
    rows = rows < COMPARE_BLOCK ? rows : COMPARE_BLOCK;
    scan_rows(chosen_rows + done * dim, rows, dim, s->unit + rank * dim, near);
    float nearest = s->nearness[rank];
    for (size_t i = 0; i < rows; i++) {
        nearest = near[i] > nearest ? near[i] : nearest;
    }
    s->nearness[rank] = nearest;
    s->compared[rank] = (uint32_t)(done + rows);
}

/* choose brings the winner to the top of the heap. */
static void choose(recommend_scratch *s, float diversity, size_t waiting, size_t chosen,
                   const float *chosen_rows, size_t dim)
{
    while (s->compared[s->best[0].row] < chosen) {
        compare(s, s->best[0].row, chosen_rows, chosen, dim);
        s->best[0].score = value_of(s, diversity, s->best[0].row);
        sift_down(s->best, waiting, 0);
    }
}

err_code diversify(const view *v, float diversity, size_t depth, size_t count, recommend_scratch *s,
                   err *e)
{
    if (count < 2) {
        return ERR_OK;
    }
    size_t dim = v->base->dim, waiting = 0, entered = 0;
    err_code code = prepare(v, count, s, e);
    if (code != ERR_OK) {
        return code;
    }
    float *chosen_rows = s->unit + count * dim;
    depth = depth < count ? depth : count;
    for (size_t chosen = 0; chosen < depth; chosen++) {
        size_t pool = diversity_pool(chosen + 1);
        for (; entered < count && entered < pool; entered++, waiting++) {
            uint32_t rank = (uint32_t)entered;
            push(s->best, waiting, (topk_hit){.row = rank, .score = value_of(s, diversity, rank)});
        }
        choose(s, diversity, waiting, chosen, chosen_rows, dim);
        uint32_t rank = s->best[0].row;
        s->order[chosen] = s->hits[rank];
        memcpy(chosen_rows + chosen * dim, s->unit + rank * dim, dim * sizeof *chosen_rows);
        s->best[0] = s->best[--waiting];
        sift_down(s->best, waiting, 0);
    }
    memcpy(s->hits, s->order, depth * sizeof *s->hits);
    return ERR_OK;
}
