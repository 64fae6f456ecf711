/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/eval/baseline.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/model/links_build.h"
#include "core/model/lister.h"
#include "core/search/topk.h"
#include "core/train/method/knn.h"

struct baseline {
    lister l;
    const dataset *d;
    const pair *asked;  /* the pairs that lists start from: d->train, or those of baseline_ask */
    size_t *user_start; /* (users + 1) into asked */
    /* itemknn: the neighbours of item i begin at [i BASELINE_NEIGHBOURS], and there are
     * found[i]. */
    uint32_t *found;     /* (items) */
    topk_hit *neighbour; /* (items, BASELINE_NEIGHBOURS) */
    size_t *item_start;  /* (items + 1) into item_user */
    uint32_t *item_user; /* (train_count) */
    /* For baselines with links. */
    item_links *links;
    links_sum *sums;     /* (threads) */
    links_owned **owned; /* (threads) room for the longest history */
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
    b->asked = d->train;
    b->l.ctx = b;
    *out = b;
    return ERR_OK;
}

err_code baseline_popular_new(baseline **out, const dataset *d, err *e)
{
    return new_empty(out, d, 1, e); /* no item is scored, so every list is the popular one */
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
    for (int t = 0; t < b->l.threads; t++) {
        if (b->sums != NULL) {
            links_sum_fini(&b->sums[t]);
        }
        if (b->owned != NULL) {
            mem_free(b->owned[t]);
        }
    }
    mem_free(b->sums);
    mem_free(b->owned);
    links_free(b->links);
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

/* neighbours_of finds the neighbours of one item by the number of users in common. `common` (items)
 * is all 0 before and after; `touched` (items) is scratch. */
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

/* itemknn_score leaves items that are in no neighbourhood unscored. */
static void itemknn_score(const void *ctx, const lister_block *block)
{
    const baseline *b = ctx;
    memset(block->out, 0, block->count * block->items * sizeof *block->out);
    for (size_t u = 0; u < block->count; u++) {
        float *out = block->out + u * block->items;
        uint32_t user = block->asks[u].user;
        for (size_t p = b->user_start[user]; p < b->user_start[user + 1]; p++) {
            size_t item = b->asked[p].item;
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

/* --- by links --- */

enum { CONTENT_NEIGHBOURS = 50 };

/* sum_of fills the thread's sum of a user's links, and the factors that bring both sources to one
 * spread. */
static links_sum *sum_of(const baseline *b, uint32_t user, float factor[LINKS_SOURCES])
{
    int thread = omp_get_thread_num();
    links_sum *sum = &b->sums[thread];
    links_owned *owned = b->owned[thread];
    size_t count = 0;
    for (size_t p = b->user_start[user]; p < b->user_start[user + 1]; p++) {
        const pair *at = &b->asked[p];
        owned[count++] = (links_owned){.item = at->item, .weight = 1, .time = at->time};
    }
    count = links_history(&b->links->choice, owned, count);
    links_sum_set(sum, b->links, owned, count);
    links_factors(factor, &b->links->choice, sum, b->d->items, 1);
    return sum;
}

static void linked_score(const void *ctx, const lister_block *block)
{
    const baseline *b = ctx;
    for (size_t u = 0; u < block->count; u++) {
        float *out = block->out + u * block->items, factor[LINKS_SOURCES];
        const links_sum *sum = sum_of(b, block->asks[u].user, factor);
        for (size_t i = 0; i < block->items; i++) {
            float score = links_sum_score(sum, (uint32_t)(block->first + i), 0, factor);
            out[i] = score > 0 ? score : -INFINITY;
        }
    }
}

static err_code add_content(baseline *b, int threads, err *e)
{
    const dataset *d = b->d;
    links_near near[MODALITIES_MAX] = {0};
    uint32_t *rows[MODALITIES_MAX] = {0};
    float *similarity[MODALITIES_MAX] = {0};
    size_t count = d->modality_count < MODALITIES_MAX ? d->modality_count : MODALITIES_MAX;
    err_code code = ERR_OK;
    for (size_t m = 0; code == ERR_OK && m < count; m++) {
        knn_options o = {.k = CONTENT_NEIGHBOURS, .threads = threads, .seed = 1};
        rows[m] = mem_array(d->items * o.k, sizeof *rows[m]);
        similarity[m] = mem_array(d->items * o.k, sizeof *similarity[m]);
        code = rows[m] != NULL && similarity[m] != NULL
                   ? knn_search(&d->modalities[m], &o, rows[m], similarity[m], e)
                   : err_nomem(e, "neighbours");
        near[m] = (links_near){rows[m], similarity[m], o.k, (float)d->modalities[m].neighbours};
    }
    if (code == ERR_OK) {
        code = links_content(&b->links->source[LINKS_CONTENT], near, count, d->items, e);
    }
    for (size_t m = 0; m < count; m++) {
        mem_free(rows[m]);
        mem_free(similarity[m]);
    }
    return code;
}

static err_code make_links(baseline *b, bool itemknn, int threads, err *e)
{
    links_choice *choice = &b->links->choice;
    links_table *collaborative = &b->links->source[LINKS_COLLABORATIVE];
    choice->kind = LINKS_COSINE;
    choice->shrinkage = BASELINE_SHRINKAGE;
    choice->beta[LINKS_CONTENT] = 1;
    choice->beta[LINKS_COLLABORATIVE] = itemknn ? 1 : 0;
    err_code code = ERR_OK;
    if (b->d->modality_count > 0) {
        links_table_fini(&b->links->source[LINKS_CONTENT]);
        code = add_content(b, threads, e);
    }
    if (code == ERR_OK && itemknn) {
        interaction_list list = {b->d->train, b->d->train_count, b->d->users, b->d->items};
        links_table_fini(collaborative);
        code = links_collaborative(collaborative, &list, choice, threads, e);
    }
    return code;
}

static size_t longest_ask(const baseline *b)
{
    size_t longest = 0;
    for (size_t u = 0; u < b->d->users; u++) {
        size_t length = b->user_start[u + 1] - b->user_start[u];
        longest = length > longest ? length : longest;
    }
    return longest;
}

static err_code make_sums(baseline *b, int threads, err *e)
{
    size_t longest = longest_ask(b);
    b->sums = mem_array((size_t)threads, sizeof *b->sums);
    b->owned = mem_array((size_t)threads, sizeof *b->owned);
    err_code code = b->sums != NULL && b->owned != NULL ? ERR_OK : err_nomem(e, "a baseline");
    for (int t = 0; code == ERR_OK && t < threads; t++) {
        b->owned[t] = mem_array(longest + 1, sizeof **b->owned);
        code = b->owned[t] != NULL ? links_sum_fit(&b->sums[t], b->d->items, e)
                                   : err_nomem(e, "a baseline");
    }
    return code;
}

err_code baseline_linked_new(baseline **out, const dataset *d, bool itemknn, int threads, err *e)
{
    err_code code = new_empty(out, d, threads, e);
    if (code != ERR_OK) {
        return code;
    }
    baseline *b = *out;
    b->l.score = linked_score;
    code = links_new(&b->links, d->items, e);
    if (code == ERR_OK) {
        code = make_links(b, itemknn, threads, e);
    }
    if (code == ERR_OK) {
        code = make_sums(b, threads, e);
    }
    if (code != ERR_OK) {
        baseline_free(b);
        *out = NULL;
    }
    return code;
}

err_code baseline_ask(baseline *b, const pair *pairs, size_t count, err *e)
{
    pairs_starts(pairs, count, b->d->users, b->user_start);
    b->asked = pairs;
    size_t longest = longest_ask(b);
    for (int t = 0; b->owned != NULL && t < b->l.threads; t++) {
        mem_free(b->owned[t]);
        b->owned[t] = mem_array(longest + 1, sizeof **b->owned);
        if (b->owned[t] == NULL) {
            return err_nomem(e, "a baseline");
        }
    }
    return ERR_OK;
}
