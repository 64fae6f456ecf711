/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/baseline.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/model/lister.h"
#include "core/search/topk.h"

struct baseline {
    lister l;
    const dataset *d;
    size_t *user_start; /* (users + 1) into d->train */
    /* itemknn: the neighbours of item i are [i BASELINE_NEIGHBOURS, ...), found[i] of them. */
    uint32_t *found;     /* (items) */
    topk_hit *neighbour; /* (items, BASELINE_NEIGHBOURS) */
    size_t *item_start;  /* (items + 1) into item_user */
    uint32_t *item_user; /* (train_count) */
};

static err_code new_empty(baseline **out, const dataset *d, int threads, err *e)
{
    *out = NULL;
    baseline *b = mem_array(1, sizeof *b);
    if (b == NULL) {
        return err_nomem(e, "a baseline");
    }
    b->d = d;
    b->user_start = mem_array(d->users + 1, sizeof *b->user_start);
    err_code code = b->user_start != NULL ? ERR_OK : err_nomem(e, "a baseline");
    if (code == ERR_OK) {
        code = lister_init(&b->l, d, threads, e);
    }
    if (code != ERR_OK) {
        baseline_free(b);
        return code;
    }
    pairs_starts(d->train, d->train_count, d->users, b->user_start);
    b->l.ctx = b;
    *out = b;
    return ERR_OK;
}

err_code baseline_popular_new(baseline **out, const dataset *d, err *e)
{
    return new_empty(out, d, 1, e); /* without scores a list is the popular one */
}

void baseline_free(baseline *b)
{
    if (b == NULL) {
        return;
    }
    lister_fini(&b->l);
    mem_free(b->user_start);
    mem_free(b->found);
    mem_free(b->neighbour);
    mem_free(b->item_start);
    mem_free(b->item_user);
    mem_free(b);
}

eval_lister baseline_lister(baseline *b)
{
    return (eval_lister){.list = lister_list, .ctx = &b->l};
}

float baseline_similarity(const baseline *b, uint32_t i, uint32_t j)
{
    for (size_t k = 0; b->found != NULL && k < b->found[i]; k++) {
        const topk_hit *hit = &b->neighbour[(size_t)i * BASELINE_NEIGHBOURS + k];
        if (hit->row == j) {
            return hit->score;
        }
    }
    return 0;
}

/* The neighbours of one item from the counts of users in common; `common` (items) is all 0 before
 * and after, `touched` (items) is scratch. */
static void neighbours_of(baseline *b, uint32_t item, uint32_t *common, uint32_t *touched)
{
    const uint32_t *users = b->l.among->users;
    size_t count = 0;
    for (size_t k = b->item_start[item]; k < b->item_start[item + 1]; k++) {
        uint32_t user = b->item_user[k];
        for (size_t p = b->user_start[user]; p < b->user_start[user + 1]; p++) {
            uint32_t other = b->d->train[p].item;
            if (common[other]++ == 0) {
                touched[count++] = other;
            }
        }
    }
    topk best;
    topk_init(&best, b->neighbour + (size_t)item * BASELINE_NEIGHBOURS, BASELINE_NEIGHBOURS);
    for (size_t k = 0; k < count; k++) {
        uint32_t other = touched[k];
        if (other != item) {
            float both = sqrtf((float)users[item] * (float)users[other]);
            topk_push(&best, other, (float)common[other] / (both + BASELINE_SHRINKAGE));
        }
        common[other] = 0;
    }
    b->found[item] = (uint32_t)topk_finish(&best);
}

static bool find_neighbours(baseline *b)
{
    bool failed = false;
#pragma omp parallel num_threads(b->l.threads)
    {
        uint32_t *common = mem_array(b->d->items, sizeof *common);
        uint32_t *touched = mem_array(b->d->items, sizeof *touched);
        bool ready = common != NULL && touched != NULL;
        if (!ready) {
#pragma omp atomic write
            failed = true;
        }
#pragma omp for schedule(dynamic, 64)
        for (size_t i = 0; i < b->d->items; i++) {
            if (ready) {
                neighbours_of(b, (uint32_t)i, common, touched);
            }
        }
        mem_free(common);
        mem_free(touched);
    }
    return !failed;
}

/* Items outside every neighbourhood are unscored. */
static void itemknn_score(const void *ctx, const lister_block *block)
{
    const baseline *b = ctx;
    memset(block->out, 0, block->count * block->items * sizeof *block->out);
    for (size_t u = 0; u < block->count; u++) {
        float *out = block->out + u * block->items;
        uint32_t user = block->asks[u].user;
        for (size_t p = b->user_start[user]; p < b->user_start[user + 1]; p++) {
            size_t item = b->d->train[p].item;
            const topk_hit *hits = b->neighbour + item * BASELINE_NEIGHBOURS;
            for (size_t k = 0; k < b->found[item]; k++) {
                if (hits[k].row >= block->first && hits[k].row < block->first + block->items) {
                    out[hits[k].row - block->first] += hits[k].score;
                }
            }
        }
        for (size_t i = 0; i < block->items; i++) {
            out[i] = out[i] > 0 ? out[i] : -INFINITY;
        }
    }
}

static void list_users(baseline *b)
{
    for (size_t k = 0; k < b->d->train_count; k++) {
        b->item_start[b->d->train[k].item + 1]++;
    }
    for (size_t i = 0; i < b->d->items; i++) {
        b->item_start[i + 1] += b->item_start[i];
    }
    for (size_t k = 0; k < b->d->train_count; k++) {
        b->item_user[b->item_start[b->d->train[k].item]++] = b->d->train[k].user;
    }
    memmove(b->item_start + 1, b->item_start, b->d->items * sizeof *b->item_start);
    b->item_start[0] = 0;
}

err_code baseline_itemknn_new(baseline **out, const dataset *d, int threads, err *e)
{
    err_code code = new_empty(out, d, threads, e);
    if (code != ERR_OK) {
        return code;
    }
    baseline *b = *out;
    b->l.score = itemknn_score;
    b->found = mem_array(d->items, sizeof *b->found);
    b->neighbour = mem_array(d->items * BASELINE_NEIGHBOURS, sizeof *b->neighbour);
    b->item_start = mem_array(d->items + 1, sizeof *b->item_start);
    b->item_user = mem_array(d->train_count, sizeof *b->item_user);
    bool ready =
        b->found != NULL && b->neighbour != NULL && b->item_start != NULL && b->item_user != NULL;
    if (ready) {
        list_users(b);
        ready = find_neighbours(b);
    }
    if (!ready) {
        baseline_free(b);
        *out = NULL;
        return err_nomem(e, "itemknn");
    }
    return ERR_OK;
}
