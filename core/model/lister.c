/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/lister.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/search/kth.h"
#include "core/search/topk.h"

/* With approximate scores, SPARE more items than k are kept for the final scores to choose from. */
enum { SPARE = 44, CHUNK = 64 };

/* Rows that may be among the best of a user. They come in ascending order and are collected without
 * a heap: when the memory is full, those below the best `room` are dropped. */
typedef struct gathered {
    topk_hit *hits; /* (GATHERED(room)) ascending by row */
    size_t count;
    float least; /* a later row must have a higher score */
} gathered;

#define GATHERED(room) ((room) + 5 * (size_t)CHUNK)

/* The memory of one thread. */
typedef struct worker {
    size_t room;    /* hits kept for a user */
    float *scores;  /* (LISTER_USERS, LISTER_ITEMS) */
    topk_hit *hits; /* (LISTER_USERS, GATHERED(room)) */
    float *kth;     /* (kth_size(room)) memory for the threshold */
    gathered found[LISTER_USERS];
    topk best[LISTER_USERS];
    size_t masked[LISTER_USERS]; /* how far each user's mask has been read */
    uint32_t *rows;              /* (rows_room) rows to refine */
    float *exact;                /* (rows_room) their final scores */
    size_t rows_room;
    uint64_t *taken; /* bitmap over item rows: masked or already listed; all 0 between users */
    void *own;       /* what lister.worker_new returned, or NULL */
} worker;

err_code lister_init(lister *l, const dataset *d, int threads, err *e)
{
    *l = (lister){.d = d, .threads = threads};
    return candidates_new(&l->among, d, e);
}

void lister_fini(lister *l)
{
    candidates_free(l->among);
    l->among = NULL;
}

static bool worker_init(worker *w, const lister *l, size_t k)
{
    *w = (worker){.room = l->refine != NULL ? k + SPARE : k};
    w->rows_room = w->room;
    w->scores = mem_table((size_t)LISTER_USERS * LISTER_ITEMS, sizeof *w->scores);
    w->hits = mem_array(LISTER_USERS * GATHERED(w->room), sizeof *w->hits);
    w->kth = mem_array(kth_size(w->room), sizeof *w->kth);
    w->rows = mem_array(w->rows_room, sizeof *w->rows);
    w->exact = mem_array(w->rows_room, sizeof *w->exact);
    w->taken = mem_array(l->d->items / 64 + 1, sizeof *w->taken);
    w->own = l->worker_new != NULL ? l->worker_new(l->ctx) : NULL;
    return (l->worker_new == NULL || w->own != NULL) && w->scores != NULL && w->hits != NULL &&
           w->kth != NULL && w->rows != NULL && w->exact != NULL && w->taken != NULL;
}

static void worker_fini(worker *w, const lister *l)
{
    if (w->own != NULL) {
        l->worker_free(w->own);
    }
    mem_free(w->scores);
    mem_free(w->hits);
    mem_free(w->kth);
    mem_free(w->rows);
    mem_free(w->exact);
    mem_free(w->taken);
}

static void mask(const lister *l, worker *w, const lister_block *b)
{
    for (size_t u = 0; u < b->count; u++) {
        const eval_ask *ask = &b->asks[u];
        float *scores = b->out + u * b->items;
        size_t *at = &w->masked[u];
        while (*at < ask->exclude_count && ask->exclude[*at] < b->first + b->items) {
            scores[ask->exclude[(*at)++] - b->first] = -INFINITY;
        }
        for (size_t i = 0; l->among->count < l->d->items && i < b->items; i++) {
            if (!candidates_item(l->among, b->first + i)) {
                scores[i] = -INFINITY;
            }
        }
    }
}

KERNEL_CLONES
static bool any_reaches(const float *scores, float threshold)
{
    int any = 0;
    for (int i = 0; i < CHUNK; i++) {
        any |= scores[i] >= threshold;
    }
    return any != 0;
}

/* shrink keeps the best `room` rows. Of equal scores the lower rows stay. */
static void shrink(worker *w, gathered *g)
{
    kth best;
    kth_init(&best, w->kth, w->room);
    for (size_t i = 0; i < g->count; i++) {
        if (g->hits[i].score > kth_threshold(&best)) {
            kth_push(&best, g->hits[i].score);
        }
    }
    g->least = kth_threshold(&best);
    size_t equal = w->room, count = 0; /* how many rows of exactly the score `least` stay */
    for (size_t i = 0; i < g->count; i++) {
        equal -= g->hits[i].score > g->least;
    }
    for (size_t i = 0; i < g->count; i++) {
        bool more = g->hits[i].score > g->least, as_good = !more && g->hits[i].score >= g->least;
        if (more || (as_good && equal > 0)) {
            equal -= as_good;
            g->hits[count++] = g->hits[i];
        }
    }
    g->count = count;
}

static void offer(worker *w, gathered *g, const lister_block *b, const float *scores)
{
    for (size_t c = 0; c < b->items; c += CHUNK) {
        size_t end = c + CHUNK < b->items ? c + CHUNK : b->items;
        if (end - c == CHUNK && !any_reaches(scores + c, g->least)) {
            continue;
        }
        if (g->count + CHUNK > GATHERED(w->room)) {
            shrink(w, g);
        }
        for (size_t i = c; i < end; i++) {
            g->hits[g->count] = (topk_hit){(uint32_t)(b->first + i), scores[i]};
            g->count += scores[i] > g->least;
        }
    }
}

/* take_best moves the gathered rows into the user's heap, which uses the same memory. */
static void take_best(worker *w, size_t u)
{
    gathered *g = &w->found[u];
    if (g->count > w->room) {
        shrink(w, g);
    }
    topk_init(&w->best[u], g->hits, w->room);
    for (size_t i = 0; i < g->count; i++) {
        topk_hit hit = g->hits[i];
        topk_push(&w->best[u], hit.row, hit.score);
    }
}

static void score_users(const lister *l, worker *w, lister_block *b)
{
    b->out = w->scores;
    for (b->first = 0; l->score != NULL && b->first < l->d->items; b->first += LISTER_ITEMS) {
        size_t left = l->d->items - b->first;
        b->items = left < LISTER_ITEMS ? left : LISTER_ITEMS;
        l->score(l->ctx, b);
        mask(l, w, b);
        for (size_t u = 0; u < b->count; u++) {
            if (candidates_history(l->among, b->asks[u].user)) {
                offer(w, &w->found[u], b, b->out + u * b->items);
            }
        }
    }
}

/* rank sorts the rows of w->rows by their final scores. */
static size_t rank(const lister *l, worker *w, const lister_block *b, size_t u, size_t count)
{
    topk *best = &w->best[u];
    lister_rows rows = {w->rows, count, w->exact};
    l->refine(l->ctx, b, u, &rows);
    for (size_t i = 0; i < count; i++) {
        if (w->exact[i] > -INFINITY) {
            topk_push(best, w->rows[i], w->exact[i]);
        }
    }
    return topk_finish(best);
}

static bool all_rows(worker *w, size_t items)
{
    if (w->rows_room >= items) {
        return true;
    }
    mem_free(w->rows);
    mem_free(w->exact);
    w->rows_room = items;
    w->rows = mem_array(items, sizeof *w->rows);
    w->exact = mem_array(items, sizeof *w->exact);
    return w->rows != NULL && w->exact != NULL;
}

/* rank_all computes the final score of every candidate. */
static bool rank_all(const lister *l, worker *w, const lister_block *b, size_t u, size_t *count)
{
    const eval_ask *ask = &b->asks[u];
    size_t rows = 0;
    if (!all_rows(w, l->d->items)) {
        return false;
    }
    for (size_t i = 0, at = 0; i < l->d->items; i++) {
        bool out = at < ask->exclude_count && ask->exclude[at] == i;
        at += out;
        if (!out && candidates_item(l->among, i)) {
            w->rows[rows++] = (uint32_t)i;
        }
    }
    *count = rank(l, w, b, u, rows);
    return true;
}

/* finish sorts the user's hits by final scores. An item among the best k by final scores is at most
 * two slacks below the k-th by approximate scores. */
static bool finish(const lister *l, worker *w, const lister_block *b, size_t u, size_t k,
                   size_t *count)
{
    topk *best = &w->best[u];
    topk_hit *hits = best->hits;
    *count = topk_finish(best);
    if (l->refine == NULL || *count == 0) {
        return true;
    }
    float slack = 2 * l->slack(l->ctx, b, u);
    bool whole = *count < w->room || hits[w->room - 1].score < hits[k - 1].score - slack;
    size_t kept = *count;
    for (size_t i = 0; i < kept; i++) {
        w->rows[i] = hits[i].row;
    }
    topk_init(best, hits, k);
    if (!whole) {
        return rank_all(l, w, b, u, count);
    }
    *count = rank(l, w, b, u, kept);
    return true;
}

static void set_taken(worker *w, const eval_ask *ask, const uint32_t *rows, size_t count, bool set)
{
    for (size_t i = 0; i < ask->exclude_count + count; i++) {
        uint32_t row = i < ask->exclude_count ? ask->exclude[i] : rows[i - ask->exclude_count];
        if (set) {
            bits_set(w->taken, row);
        } else {
            bits_clear(w->taken, row);
        }
    }
}

/* fill appends popular items until the list has k. */
static size_t fill(const lister *l, worker *w, const eval_ask *ask, uint32_t *rows, size_t count,
                   size_t k)
{
    size_t scored = count;
    if (count == k) {
        return count;
    }
    set_taken(w, ask, rows, scored, true);
    for (size_t i = 0; i < l->among->count && count < k; i++) {
        uint32_t row = l->among->popular[i];
        if (!bits_test(w->taken, row)) {
            rows[count++] = row;
        }
    }
    set_taken(w, ask, rows, scored, false);
    return count;
}

/* list_users writes the lists of a few users. It returns false if memory runs out. */
static bool list_users(const lister *l, worker *w, lister_block *b, size_t k, uint32_t *rows,
                       size_t *found)
{
    for (size_t u = 0; u < b->count; u++) {
        w->found[u] = (gathered){w->hits + u * GATHERED(w->room), 0, -INFINITY};
        w->masked[u] = 0;
    }
    b->worker = w->own;
    if (l->begin != NULL && !l->begin(l->ctx, w->own, b->asks, b->count)) {
        return false;
    }
    score_users(l, w, b);
    for (size_t u = 0; u < b->count; u++) {
        size_t count = 0;
        take_best(w, u);
        if (!finish(l, w, b, u, k, &count)) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            rows[u * k + i] = w->best[u].hits[i].row;
        }
        found[u] = fill(l, w, &b->asks[u], rows + u * k, count, k);
    }
    return true;
}

err_code lister_list(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                     size_t *found, err *e)
{
    const lister *l = ctx;
    bool failed = false;
#pragma omp parallel num_threads(l->threads)
    {
        worker w;
        bool ready = worker_init(&w, l, k);
#pragma omp for schedule(dynamic, 1)
        for (size_t first = 0; first < count; first += LISTER_USERS) {
            lister_block b = {.asks = asks + first};
            b.count = count - first < LISTER_USERS ? count - first : LISTER_USERS;
            ready = ready && list_users(l, &w, &b, k, rows + first * k, found + first);
        }
        if (!ready) {
#pragma omp atomic write
            failed = true;
        }
        worker_fini(&w, l);
    }
    return failed ? err_nomem(e, "an evaluation's scores") : ERR_OK;
}
