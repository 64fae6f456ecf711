/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diversity: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).
 *
 * Greedy: the next item is the one with the largest (1 - d) * relevance - d * nearness, relevance
 * being its score scaled to 0..1 over the best SCALE_HITS (below 0 behind them), nearness its
 * largest cosine (of H) to what was chosen before. Ties go to the better rank. Scores stay what
 * they were; only the order changes.
 *
 * Neither the scale nor what a place is chosen from depends on how many places there are: a list is
 * the beginning of every longer one, so pages fit together.
 */
#include <math.h>
#include <string.h>

#include "core/search/scan.h"
#include "core/serve/query/recommend_scratch.h"

/* The least pool, too, so that the scale is never of less than was asked for. */
enum { SCALE_HITS = 100 };

/* Enough to choose from, without ranking the whole shop. */
size_t diversity_pool(size_t places)
{
    size_t pool = places * 4 > SCALE_HITS ? places * 4 : SCALE_HITS;
    return pool < POOL_MAX ? pool : POOL_MAX;
}

static err_code prepare(const view *v, size_t count, recommend_scratch *s, err *e)
{
    size_t dim = v->base->dim;
    err_code rc = scratch_unit(s, count * dim, e);
    if (rc != ERR_OK) {
        return rc;
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
    }
    return ERR_OK;
}

err_code diversify(const view *v, float diversity, size_t depth, size_t count, recommend_scratch *s,
                   err *e)
{
    if (count < 2) {
        return ERR_OK;
    }
    size_t dim = v->base->dim;
    err_code rc = prepare(v, count, s, e);
    /* best[0 .. chosen) are the ranks in the list, the others follow. Who is chosen changes places
     * with the first of these, so best[0 .. pool) are the first `pool` ranks at every step. */
    for (size_t i = 0; i < count && rc == ERR_OK; i++) {
        s->best[i].row = (uint32_t)i;
    }
    for (size_t chosen = 0; chosen < depth && chosen < count && rc == ERR_OK; chosen++) {
        size_t winner = chosen, pool = diversity_pool(chosen + 1);
        float top = -INFINITY;
        for (size_t i = chosen; i < count && i < pool; i++) {
            uint32_t rank = s->best[i].row;
            float value = (1 - diversity) * s->relevance[rank] - diversity * s->nearness[rank];
            if (value > top || (value == top && rank < s->best[winner].row)) {
                top = value;
                winner = i;
            }
        }
        uint32_t rank = s->best[winner].row;
        s->best[winner].row = s->best[chosen].row;
        s->best[chosen].row = rank;
        for (size_t i = chosen + 1; i < count; i++) {
            uint32_t other = s->best[i].row;
            float near = scan_dot(s->unit + rank * dim, s->unit + other * dim, dim);
            s->nearness[other] = fmaxf(s->nearness[other], near);
        }
    }
    for (size_t i = 0; i < count && rc == ERR_OK; i++) {
        s->relevance[i] = s->hits[s->best[i].row].score;
        s->best[i].row = s->hits[s->best[i].row].row;
    }
    for (size_t i = 0; i < count && rc == ERR_OK; i++) {
        s->hits[i] = (recommend_hit){.row = s->best[i].row, .score = s->relevance[i]};
    }
    return rc;
}
