/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/ease.h"

#include <lapacke.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/model/lister.h"

#define NOT_THERE UINT32_MAX

struct ease {
    lister l;
    size_t *start;  /* (users + 1) into d->train */
    uint32_t *slot; /* (items) index among the items with an interaction, or NOT_THERE */
    size_t active;
    float *b; /* (active, active) the weights B */
};

static size_t number_items(const dataset *d, uint32_t *slot)
{
    size_t active = 0;
    for (size_t i = 0; i < d->items; i++) {
        slot[i] = NOT_THERE;
    }
    for (size_t k = 0; k < d->train_count; k++) {
        slot[d->train[k].item] = 0;
    }
    for (size_t i = 0; i < d->items; i++) {
        slot[i] = slot[i] == 0 ? (uint32_t)active++ : NOT_THERE;
    }
    return active;
}

size_t ease_bytes(const dataset *d)
{
    uint32_t *slot = mem_array(d->items, sizeof *slot);
    size_t active = slot != NULL ? number_items(d, slot) : d->items;
    mem_free(slot);
    return active * active * sizeof(float);
}

/* sum_gram fills the upper triangle of X'X + lambda I. Like pairs, slots ascend with the items. */
static void sum_gram(ease *x, const dataset *d)
{
    size_t n = x->active;
    for (size_t u = 0; u < d->users; u++) {
        for (size_t p = x->start[u]; p < x->start[u + 1]; p++) {
            float *row = x->b + x->slot[d->train[p].item] * n;
            for (size_t q = p; q < x->start[u + 1]; q++) {
                row[x->slot[d->train[q].item]] += 1;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        x->b[i * n + i] += (float)EASE_LAMBDA;
    }
}

/* weights turns the upper triangle of P into B. */
static void weights(ease *x)
{
    size_t n = x->active;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            x->b[i * n + j] = x->b[j * n + i];
        }
    }
    for (size_t i = 0; i < n; i++) { /* B_ij = -P_ij / P_jj; the diagonal is still needed here */
        for (size_t j = 0; j < n; j++) {
            if (j != i) {
                x->b[i * n + j] /= -x->b[j * n + j];
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        x->b[i * n + i] = 0;
    }
}

static void score(const void *ctx, const lister_block *block)
{
    const ease *x = ctx;
    const dataset *d = x->l.d;
    for (size_t u = 0; u < block->count; u++) {
        float *out = block->out + u * block->items;
        uint32_t user = block->asks[u].user;
        for (size_t i = 0; i < block->items; i++) {
            out[i] = x->slot[block->first + i] != NOT_THERE ? 0 : -INFINITY;
        }
        for (size_t p = x->start[user]; p < x->start[user + 1]; p++) {
            const float *row = x->b + x->slot[d->train[p].item] * x->active;
            for (size_t i = 0; i < block->items; i++) {
                uint32_t slot = x->slot[block->first + i];
                out[i] += slot != NOT_THERE ? row[slot] : 0;
            }
        }
    }
}

static err_code solve(ease *x, const dataset *d, int threads, err *e)
{
    lapack_int n = (lapack_int)x->active;
    sum_gram(x, d);
    blas_threads(threads);
    /* The upper triangle of a matrix by rows is the lower one by columns. By rows, LAPACKE would
     * make a copy. */
    bool solved = LAPACKE_spotrf(LAPACK_COL_MAJOR, 'L', n, x->b, n) == 0 &&
                  LAPACKE_spotri(LAPACK_COL_MAJOR, 'L', n, x->b, n) == 0;
    blas_threads(1);
    if (!solved) {
        return err_set(e, ERR_INVALID, "ease: the interactions' Gram matrix cannot be inverted");
    }
    weights(x);
    return ERR_OK;
}

err_code ease_new(ease **out, const dataset *d, int threads, err *e)
{
    *out = NULL;
    ease *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "ease");
    }
    err_code code = lister_init(&x->l, d, threads, e);
    x->start = mem_array(d->users + 1, sizeof *x->start);
    x->slot = mem_array(d->items, sizeof *x->slot);
    if (code == ERR_OK && (x->start == NULL || x->slot == NULL)) {
        code = err_nomem(e, "ease");
    }
    if (code == ERR_OK) {
        pairs_starts(d->train, d->train_count, d->users, x->start);
        x->active = number_items(d, x->slot);
        if (x->active > EASE_ITEMS_MAX) {
            code = err_set(e, ERR_TOO_LARGE, "ease: at most %d items with an interaction, not %zu",
                           EASE_ITEMS_MAX, x->active);
        }
    }
    if (code == ERR_OK) {
        x->b = mem_array(x->active * x->active, sizeof *x->b);
        code = x->b != NULL ? solve(x, d, threads, e) : err_nomem(e, "ease's weights");
    }
    if (code != ERR_OK) {
        ease_free(x);
        return code;
    }
    x->l.score = score;
    x->l.ctx = x;
    *out = x;
    return ERR_OK;
}

void ease_free(ease *x)
{
    if (x == NULL) {
        return;
    }
    lister_fini(&x->l);
    mem_free(x->start);
    mem_free(x->slot);
    mem_free(x->b);
    mem_free(x);
}

eval_lister ease_lister(ease *x)
{
    return (eval_lister){.list = lister_list, .ctx = &x->l};
}
