/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/lister.h"

#include <math.h>
#include <stdbool.h>

#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/search/topk.h"

/* One thread's memory. */
typedef struct worker {
    float *scores;  /* (LISTER_USERS, LISTER_ITEMS) */
    topk_hit *hits; /* (LISTER_USERS, k) */
    topk best[LISTER_USERS];
    size_t masked[LISTER_USERS]; /* how far into the mask the items have come */
} worker;

static void mask(const lister *l, worker *w, const lister_block *b)
{
    for (size_t u = 0; u < b->count; u++) {
        const eval_ask *ask = &b->asks[u];
        float *scores = b->out + u * b->items;
        size_t *at = &w->masked[u];
        while (*at < ask->exclude_count && ask->exclude[*at] < b->first + b->items) {
            scores[ask->exclude[(*at)++] - b->first] = -INFINITY;
        }
        for (size_t i = 0; l->d->gone != NULL && i < b->items; i++) {
            if (dataset_gone(l->d, b->first + i)) {
                scores[i] = -INFINITY;
            }
        }
    }
}

enum { CHUNK = 64 };

KERNEL_CLONES
static bool any_reaches(const float *scores, float floor)
{
    int any = 0;
    for (int i = 0; i < CHUNK; i++) {
        any |= scores[i] >= floor;
    }
    return any != 0;
}

static void offer(topk *best, const float *scores, size_t first, size_t count)
{
    for (size_t c = 0; c < count; c += CHUNK) {
        size_t end = c + CHUNK < count ? c + CHUNK : count;
        if (end - c == CHUNK && !any_reaches(scores + c, topk_floor(best))) {
            continue;
        }
        for (size_t i = c; i < end; i++) {
            if (scores[i] > -INFINITY) {
                topk_push(best, (uint32_t)(first + i), scores[i]);
            }
        }
    }
}

static void list_users(const lister *l, worker *w, lister_block *b, size_t k)
{
    for (size_t u = 0; u < b->count; u++) {
        topk_init(&w->best[u], w->hits + u * k, k);
        w->masked[u] = 0;
    }
    b->out = w->scores;
    for (b->first = 0; b->first < l->d->items; b->first += LISTER_ITEMS) {
        size_t left = l->d->items - b->first;
        b->items = left < LISTER_ITEMS ? left : LISTER_ITEMS;
        l->score(l->ctx, b);
        mask(l, w, b);
        for (size_t u = 0; u < b->count; u++) {
            offer(&w->best[u], b->out + u * b->items, b->first, b->items);
        }
    }
}

err_code lister_list(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                     size_t *found, err *e)
{
    const lister *l = ctx;
    bool failed = false;
#pragma omp parallel num_threads(l->threads)
    {
        worker w;
        w.scores = mem_table((size_t)LISTER_USERS * LISTER_ITEMS, sizeof *w.scores);
        w.hits = mem_array(LISTER_USERS * k, sizeof *w.hits);
        bool ready = w.scores != NULL && w.hits != NULL;
        if (!ready) {
#pragma omp atomic write
            failed = true;
        }
#pragma omp for schedule(dynamic, 1)
        for (size_t first = 0; first < count; first += LISTER_USERS) {
            lister_block b = {.asks = asks + first};
            b.count = count - first < LISTER_USERS ? count - first : LISTER_USERS;
            if (!ready) {
                continue;
            }
            list_users(l, &w, &b, k);
            for (size_t u = 0; u < b.count; u++) {
                found[first + u] = topk_finish(&w.best[u]);
                for (size_t i = 0; i < found[first + u]; i++) {
                    rows[(first + u) * k + i] = w.best[u].hits[i].row;
                }
            }
        }
        mem_free(w.scores);
        mem_free(w.hits);
    }
    return failed ? err_nomem(e, "an evaluation's scores") : ERR_OK;
}
