/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/knn.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "core/common/blas.h"
#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/common/types.h"

/* BLOCK is the number of rows in a block, a multiple of every tile size of the matrix product. */
enum { BLOCK = 512, MEMORY_DEFAULT = 512 << 20 };

/* A run of normalised rows in memory: blocks [first, first + count). */
typedef struct run {
    size_t first, count; /* numbers of blocks */
    float *x;            /* (count BLOCK, width); rows that are no candidates are 0 */
} run;

typedef struct search {
    const feature_source *source;
    const knn_options *o;
    size_t blocks;
    uint32_t *rows;      /* (rows, k) sorted lists, best first */
    float *similarity;   /* (rows, k) */
    float *worst;        /* (blocks BLOCK) the similarity that a new neighbour must exceed */
    unsigned char *live; /* (blocks BLOCK) 1: the row is neither missing nor zero */
    omp_lock_t *lock;    /* (blocks) guards the lists of a block */
    float *scores;       /* (threads, BLOCK, BLOCK) similarities of a pair of blocks */
    bool cancelled;
} search;

/* insert keeps the list sorted. k is small, and a new neighbour rarely moves far. */
static void insert(search *s, size_t row, size_t other, float similarity)
{
    size_t k = s->o->k;
    if (!s->live[row] || !s->live[other] || row == other) {
        return;
    }
    uint32_t *rows = s->rows + row * k;
    float *list = s->similarity + row * k;
    size_t at = k;
    while (at > 0 && (rows[at - 1] == ROW_NONE || list[at - 1] < similarity ||
                      (list[at - 1] == similarity && rows[at - 1] > other))) {
        at--;
    }
    if (at == k) {
        return;
    }
    memmove(rows + at + 1, rows + at, (k - 1 - at) * sizeof *rows);
    memmove(list + at + 1, list + at, (k - 1 - at) * sizeof *list);
    rows[at] = (uint32_t)other;
    list[at] = similarity;
    if (rows[k - 1] != ROW_NONE) {
        s->worst[row] = list[k - 1];
    }
}

enum { CHUNK = 64 };

/* any_reaches tells whether any of the CHUNK scores can enter its own row's list or that of another
 * row. */
KERNEL_CLONES
static int any_reaches(const float *scores, float worst, const float *others)
{
    int any = 0;
    for (int i = 0; i < CHUNK; i++) {
        any |= (scores[i] >= worst) | (scores[i] >= others[i]);
    }
    return any;
}

static void take_scores(search *s, size_t bi, size_t bj, const float *scores)
{
    for (size_t r = 0; r < BLOCK; r++) {
        size_t row = bi * BLOCK + r;
        for (size_t c = 0; c < BLOCK; c += CHUNK) {
            const float *chunk = scores + r * BLOCK + c;
            const float *others = s->worst + bj * BLOCK + c;
            if (!any_reaches(chunk, s->worst[row], others)) {
                continue;
            }
            for (size_t i = 0; i < CHUNK; i++) {
                size_t other = bj * BLOCK + c + i;
                if (chunk[i] >= s->worst[row]) {
                    insert(s, row, other, chunk[i]);
                }
                if (bi != bj && chunk[i] >= s->worst[other]) {
                    insert(s, other, row, chunk[i]);
                }
            }
        }
    }
}

static void pair_of_blocks(search *s, const run *a, const run *b, size_t i, size_t j)
{
    size_t bi = a->first + i, bj = b->first + j, width = s->source->width;
    blas_product p = {.rows = BLOCK, .cols = BLOCK, .dim = width, .stride = BLOCK};
    p.a = a->x + i * BLOCK * width;
    p.b = b->x + j * BLOCK * width;
    p.c = s->scores + (size_t)omp_get_thread_num() * BLOCK * BLOCK;
    blas_scores(&p);
    /* The lower block is locked first, so that two threads cannot wait for each other. */
    omp_set_lock(&s->lock[bi]);
    if (bi != bj) {
        omp_set_lock(&s->lock[bj]);
    }
    take_scores(s, bi, bj, p.c);
    if (bi != bj) {
        omp_unset_lock(&s->lock[bj]);
    }
    omp_unset_lock(&s->lock[bi]);
}

/* pair_of_runs handles all pairs of blocks (i of a, j of b), with i <= j if a and b are the same
 * run. */
static void pair_of_runs(search *s, const run *a, const run *b)
{
    bool same = a->first == b->first;
#pragma omp parallel for schedule(dynamic, 1) collapse(2) num_threads(s->o->threads)
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            bool stop;
#pragma omp atomic read
            stop = s->cancelled;
            if (stop || (same && j < i)) {
                continue;
            }
            if (omp_get_thread_num() == 0 && s->o->cancelled != NULL &&
                s->o->cancelled(s->o->ctx)) {
#pragma omp atomic write
                s->cancelled = true;
            }
            pair_of_blocks(s, a, b, i, j);
        }
    }
}

static err_code load(search *s, run *r, size_t first, size_t count, err *e)
{
    const feature_source *source = s->source;
    size_t width = source->width;
    r->first = first;
    r->count = first + count > s->blocks ? s->blocks - first : count;
    size_t row = first * BLOCK, rows = r->count * BLOCK;
    size_t there = row + rows > source->rows ? source->rows - row : rows;
    memset(r->x + there * width, 0, (rows - there) * width * sizeof *r->x);
    err_code code = source->read(source->ctx, row, there, r->x, e);
    if (code != ERR_OK) {
        return code;
    }
#pragma omp parallel for schedule(static) num_threads(s->o->threads)
    for (size_t i = 0; i < there; i++) {
        float *x = r->x + i * width;
        double square = 0;
        for (size_t j = 0; j < width; j++) {
            square += (double)x[j] * (double)x[j];
        }
        bool live = isfinite(square) && square > 0;
        double factor = live ? 1 / sqrt(square) : 0;
        for (size_t j = 0; j < width; j++) {
            x[j] = live ? (float)((double)x[j] * factor) : 0;
        }
        s->live[row + i] = live;
        if (!live) {
            s->worst[row + i] = INFINITY;
        }
    }
    return ERR_OK;
}

static err_code search_all(search *s, err *e)
{
    size_t bytes = s->o->memory_bytes > 0 ? s->o->memory_bytes : MEMORY_DEFAULT;
    size_t block_bytes = (size_t)BLOCK * s->source->width * sizeof(float);
    size_t fit = bytes / block_bytes;
    bool whole = fit >= s->blocks;
    size_t length = whole ? s->blocks : fit / 2 > 0 ? fit / 2 : 1;
    run a = {.x = mem_table(length, block_bytes)};
    run b = {.x = whole ? NULL : mem_table(length, block_bytes)};
    err_code code = ERR_OK;
    if (a.x == NULL || (!whole && b.x == NULL)) {
        code = err_nomem(e, "blocks of features");
    }
    for (size_t i = 0; code == ERR_OK && i < s->blocks; i += length) {
        code = load(s, &a, i, length, e);
        if (code == ERR_OK) {
            pair_of_runs(s, &a, &a);
        }
        for (size_t j = i + length; code == ERR_OK && j < s->blocks; j += length) {
            code = load(s, &b, j, length, e);
            if (code == ERR_OK) {
                pair_of_runs(s, &a, &b);
            }
        }
    }
    if (code == ERR_OK && s->cancelled) {
        code = err_set(e, ERR_CANCELLED, "the search for neighbours was stopped");
    }
    mem_free(a.x);
    mem_free(b.x);
    return code;
}

err_code knn_exact(const feature_source *source, const knn_options *o, uint32_t *rows,
                   float *similarity, err *e)
{
    search s = {.source = source, .o = o, .rows = rows, .similarity = similarity};
    s.blocks = (source->rows + BLOCK - 1) / BLOCK;
    memset(rows, 0xff, source->rows * o->k * sizeof *rows);
    if (similarity == NULL) {
        s.similarity = mem_array(source->rows * o->k, sizeof *s.similarity);
    }
    s.worst = mem_array(s.blocks * BLOCK, sizeof *s.worst);
    s.live = mem_array(s.blocks * BLOCK, sizeof *s.live);
    s.lock = mem_array(s.blocks, sizeof *s.lock);
    s.scores = mem_table((size_t)o->threads * BLOCK * BLOCK, sizeof *s.scores);
    err_code code = ERR_OK;
    if (s.similarity == NULL || s.worst == NULL || s.live == NULL || s.lock == NULL ||
        s.scores == NULL) {
        code = err_nomem(e, "the search for neighbours");
        goto done;
    }
    for (size_t i = 0; i < s.blocks * BLOCK; i++) {
        s.worst[i] = i < source->rows ? -INFINITY : INFINITY;
    }
    blas_threads(1);
    for (size_t b = 0; b < s.blocks; b++) {
        omp_init_lock(&s.lock[b]);
    }
    if (o->k > 0) {
        code = search_all(&s, e);
    }
    for (size_t b = 0; b < s.blocks; b++) {
        omp_destroy_lock(&s.lock[b]);
    }
done:
    if (similarity == NULL) {
        mem_free(s.similarity);
    }
    mem_free(s.worst);
    mem_free(s.live);
    mem_free(s.lock);
    mem_free(s.scores);
    return code;
}
