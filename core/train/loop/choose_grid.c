/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/choose_grid.h"

#include <math.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/model/candidates.h"
#include "core/model/links_build.h"
#include "core/search/scan.h"
#include "core/search/topk.h"
#include "core/train/eval/scorer.h"
#include "core/train/loop/choose.h"

/* The kinds of collaborative links that compete. A small shrinkage gives rare items more weight. */
static const struct {
    links_kind kind;
    float shrinkage;
} kinds[] = {
    {LINKS_COSINE, LINKS_SHRINKAGE_COSINE},
    {LINKS_COSINE, 10},
    {LINKS_DIRECTED, LINKS_SHRINKAGE_DIRECTED},
};
static const float recencies[] = {1, 0.9F, 0.8F, 0.6F};
static const float betas[] = {0, 0.05F, 0.1F, 0.2F, 0.3F, 0.45F, 0.7F, 1.1F};

enum {
    KINDS = sizeof kinds / sizeof kinds[0],
    RECENCIES = sizeof recencies / sizeof recencies[0],
    BETAS = sizeof betas / sizeof betas[0],
    WEIGHTS = BETAS * BETAS,
    COMBINATIONS = KINDS * RECENCIES * WEIGHTS,
    GROUP = 8, /* users whose results are summed as one group */
};

typedef struct grid {
    const model *m;
    const dataset *d;
    scorer s; /* makes the inner products, over the training pairs */
    float *covariance;
    size_t kinds, recencies;  /* how many kinds and recencies make a difference on this data */
    item_links links[KINDS];  /* one table for each kind; the content links are borrowed */
    size_t *history, *wanted; /* (users + 1) starts in d->train and in d->valid */
    uint32_t *users;          /* (user_count) the users that decide */
    size_t user_count, k;
    double gain[EVAL_K_MAX + 1]; /* gain[n] is the sum of the first n discounts */
    double *sums;                /* (groups, COMBINATIONS) sums of the metric */
    bool failed;
} grid;

/* The memory of one thread. An entry is an item that may be in a list of k. */
typedef struct bench {
    float *dense;   /* (items) the user's inner products */
    topk_hit *hits; /* (k) the best items by inner products */
    links_sum sum;
    uint32_t *linked;   /* (room of the sum + 1) */
    links_owned *owned; /* room for the longest history */
    uint32_t *row;      /* (entries) */
    float *x, *a, *c;   /* (entries) inner product, and the parts of both sources at beta 1 */
    float *score;       /* (entries) */
    size_t *target;     /* (targets) the entry of each item to be found that has one */
    size_t entries, targets;
} bench;

static size_t longest(const size_t *start, size_t users)
{
    size_t most = 0;
    for (size_t u = 0; u < users; u++) {
        most = start[u + 1] - start[u] > most ? start[u + 1] - start[u] : most;
    }
    return most;
}

static bool bench_init(bench *b, const grid *g)
{
    size_t items = g->d->items;
    *b = (bench){0};
    b->dense = mem_table(items, sizeof *b->dense);
    b->hits = mem_array(g->k, sizeof *b->hits);
    b->owned = mem_array(longest(g->history, g->d->users), sizeof *b->owned);
    b->row = mem_array(items, sizeof *b->row);
    b->x = mem_table(items, sizeof *b->x);
    b->a = mem_table(items, sizeof *b->a);
    b->c = mem_table(items, sizeof *b->c);
    b->score = mem_table(items, sizeof *b->score);
    b->target = mem_array(longest(g->wanted, g->d->users), sizeof *b->target);
    if (links_sum_fit(&b->sum, items, NULL) == ERR_OK) {
        b->linked = mem_array(b->sum.room + 1, sizeof *b->linked);
    }
    return b->linked != NULL && b->dense != NULL && b->hits != NULL && b->owned != NULL &&
           b->row != NULL && b->x != NULL && b->a != NULL && b->c != NULL && b->score != NULL &&
           b->target != NULL;
}

static void bench_fini(bench *b)
{
    mem_free(b->dense);
    mem_free(b->hits);
    links_sum_fini(&b->sum);
    mem_free(b->linked);
    mem_free(b->owned);
    mem_free(b->row);
    mem_free(b->x);
    mem_free(b->a);
    mem_free(b->c);
    mem_free(b->score);
    mem_free(b->target);
}

/* dense computes the user's scores, -INFINITY for items that may not be listed, and selects the
 * best k. */
static size_t dense(const grid *g, bench *b, uint32_t user)
{
    const float *h = g->s.user_h + user * g->s.dim;
    topk best;
    scan_rows(g->s.item_h, g->d->items, g->s.dim, h, b->dense);
    for (size_t i = 0; i < g->d->items; i++) {
        bool in = candidates_item(g->s.l.among, i) && bits_test(g->s.placed, i);
        b->dense[i] = in ? b->dense[i] : -INFINITY;
    }
    for (size_t k = g->history[user]; k < g->history[user + 1]; k++) {
        b->dense[g->d->train[k].item] = -INFINITY;
    }
    topk_init(&best, b->hits, g->k);
    for (size_t i = 0; i < g->d->items; i++) {
        if (b->dense[i] > -INFINITY) {
            topk_push(&best, (uint32_t)i, b->dense[i]);
        }
    }
    return topk_finish(&best);
}

static void enter(bench *b, uint32_t row, float a, float c)
{
    b->row[b->entries] = row;
    b->x[b->entries] = b->dense[row];
    b->a[b->entries] = a;
    b->c[b->entries++] = c;
}

/* gather makes the entries for one kind and recency. */
static void gather(const grid *g, bench *b, uint32_t user, const item_links *l, size_t best)
{
    size_t owned = g->history[user + 1] - g->history[user];
    const pair *pairs = g->d->train + g->history[user];
    float factor[LINKS_SOURCES];
    for (size_t k = 0; k < owned; k++) {
        b->owned[k] = (links_owned){pairs[k].item, pairs[k].weight, pairs[k].time, {0}};
    }
    links_sum_set(&b->sum, l, b->owned, links_history(&l->choice, b->owned, owned));
    float spread = links_spread(g->covariance, g->s.user_h + user * g->s.dim, g->s.dim);
    links_factors(factor, &l->choice, &b->sum, g->d->items, spread);
    b->entries = 0;
    size_t linked = links_sum_rows(&b->sum, b->linked);
    for (size_t k = 0; k < linked; k++) {
        uint32_t row = b->linked[k];
        if (b->dense[row] > -INFINITY) {
            enter(b, row, factor[LINKS_COLLABORATIVE] * b->sum.part[LINKS_COLLABORATIVE][row],
                  factor[LINKS_CONTENT] * b->sum.part[LINKS_CONTENT][row]);
        }
    }
    for (size_t k = 0; k < best; k++) {
        if (!links_sum_linked(&b->sum, b->hits[k].row)) {
            enter(b, b->hits[k].row, 0, 0);
        }
    }
    b->targets = 0;
    for (size_t n = 0; n < b->entries; n++) {
        size_t first = g->wanted[user], count = g->wanted[user + 1] - first;
        if (pairs_find(g->d->valid + first, count, user, b->row[n]) != SIZE_MAX) {
            b->target[b->targets++] = n;
        }
    }
}

KERNEL_CLONES
static void mix_scores(const bench *b, float beta_a, float beta_c)
{
    for (size_t n = 0; n < b->entries; n++) {
        b->score[n] = b->x[n] + (beta_a * b->a[n] + beta_c * b->c[n]);
    }
}

KERNEL_CLONES
static int count_above(const float *score, size_t count, float threshold)
{
    int above = 0;
    for (size_t n = 0; n < count; n++) {
        above += score[n] > threshold;
    }
    return above;
}

/* value returns the user's metric under one combination of weights. */
static double value(const grid *g, const bench *b, size_t wanted)
{
    double found = 0, dcg = 0;
    for (size_t t = 0; t < b->targets; t++) {
        size_t rank = (size_t)count_above(b->score, b->entries, b->score[b->target[t]]);
        if (rank < g->k) {
            found += 1;
            dcg += g->gain[rank + 1] - g->gain[rank];
        }
    }
    return g->m->options.select_metric == TRAIN_RECALL
               ? found / (double)wanted
               : dcg / g->gain[wanted < g->k ? wanted : g->k];
}

static void try_user(const grid *g, bench *b, uint32_t user, double *sums)
{
    size_t wanted = g->wanted[user + 1] - g->wanted[user];
    size_t best = dense(g, b, user);
    for (size_t kind = 0; kind < g->kinds; kind++) {
        for (size_t r = 0; r < g->recencies; r++) {
            item_links l = g->links[kind];
            double *to = sums + (kind * RECENCIES + r) * WEIGHTS;
            l.choice.recency[LINKS_COLLABORATIVE] = l.choice.recency[LINKS_CONTENT] = recencies[r];
            gather(g, b, user, &l, best);
            for (size_t w = 0; w < WEIGHTS && b->targets > 0; w++) {
                mix_scores(b, betas[w / BETAS], betas[w % BETAS]);
                to[w] += value(g, b, wanted);
            }
        }
    }
}

static void try_all(grid *g)
{
    size_t groups = (g->user_count + GROUP - 1) / GROUP;
#pragma omp parallel num_threads(g->m->options.threads)
    {
        bench b;
        bool ready = bench_init(&b, g);
        if (!ready) {
#pragma omp atomic write
            g->failed = true;
        }
#pragma omp for schedule(dynamic, 1)
        for (size_t x = 0; x < groups; x++) {
            for (size_t u = x * GROUP; ready && u < g->user_count && u < (x + 1) * GROUP; u++) {
                try_user(g, &b, g->users[u], g->sums + x * COMBINATIONS);
            }
        }
        bench_fini(&b);
    }
    for (size_t x = 1; x < groups; x++) {
        for (size_t c = 0; c < COMBINATIONS; c++) {
            g->sums[c] += g->sums[x * COMBINATIONS + c];
        }
    }
}

/* choose_users selects validation users with a history, spread evenly. */
static void choose_users(grid *g)
{
    size_t all = 0;
    for (size_t u = 0; u < g->d->users; u++) {
        if (g->wanted[u + 1] > g->wanted[u] && g->history[u + 1] > g->history[u]) {
            g->users[all++] = (uint32_t)u;
        }
    }
    g->user_count = all < CHOOSE_USERS_MAX ? all : CHOOSE_USERS_MAX;
    for (size_t i = 0; i < g->user_count; i++) {
        g->users[i] = g->users[i * all / g->user_count];
    }
}

size_t choose_grid_kinds(bool timed)
{
    return timed ? KINDS : KINDS - 1;
}

static err_code build_links(grid *g, const prepared *p, err *e)
{
    interaction_list list = {g->d->train, g->d->train_count, g->d->users, g->d->items};
    bool timed = links_timed(&list);
    g->kinds = choose_grid_kinds(timed);
    g->recencies = timed ? RECENCIES : 1;
    links_choice choices[KINDS];
    links_table tables[KINDS] = {0};
    for (size_t x = 0; x < g->kinds; x++) {
        choices[x] = (links_choice){.kind = kinds[x].kind, .shrinkage = kinds[x].shrinkage};
        choices[x].beta[LINKS_COLLABORATIVE] = 1;
        choices[x].beta[LINKS_CONTENT] = p->content.start != NULL ? 1 : 0;
        memcpy(choices[x].modality, p->content_weight, sizeof choices[x].modality);
    }
    links_choices all = {choices, g->kinds};
    err_code code = links_collaborative_each(tables, &list, &all, g->m->options.threads, e);
    for (size_t x = 0; x < g->kinds; x++) {
        g->links[x] = (item_links){.items = g->d->items, .choice = choices[x]};
        g->links[x].source[LINKS_COLLABORATIVE] = tables[x];
        g->links[x].source[LINKS_CONTENT] = p->content;
    }
    return code;
}

static err_code grid_init(grid *g, const prepared *p, err *e)
{
    size_t users = g->d->users;
    g->k = g->m->options.select_at;
    for (size_t n = 0; n < EVAL_K_MAX; n++) {
        g->gain[n + 1] = g->gain[n] + 1 / log2((double)n + 2);
    }
    g->history = mem_array(users + 1, sizeof *g->history);
    g->wanted = mem_array(users + 1, sizeof *g->wanted);
    g->users = mem_array(users, sizeof *g->users);
    g->covariance = mem_table(g->m->dim * g->m->dim, sizeof *g->covariance);
    if (g->history == NULL || g->wanted == NULL || g->users == NULL || g->covariance == NULL) {
        return err_nomem(e, "the choice of links");
    }
    pairs_starts(g->d->train, g->d->train_count, users, g->history);
    pairs_starts(g->d->valid, g->d->valid_count, users, g->wanted);
    choose_users(g);
    g->sums = mem_array((g->user_count / GROUP + 1) * COMBINATIONS, sizeof *g->sums);
    if (g->sums == NULL) {
        return err_nomem(e, "the choice of links");
    }
    model alone = *g->m;
    alone.links = NULL;
    err_code code = scorer_init_model(&g->s, &alone, g->d, g->m->options.threads, e);
    if (code == ERR_OK) {
        code = links_covariance(g->s.item_h, g->d->items, g->s.dim, g->covariance, e);
    }
    return code == ERR_OK ? build_links(g, p, e) : code;
}

static void grid_fini(grid *g)
{
    scorer_fini(&g->s);
    for (size_t x = 0; x < KINDS; x++) {
        links_table_fini(&g->links[x].source[LINKS_COLLABORATIVE]);
    }
    mem_free(g->covariance);
    mem_free(g->history);
    mem_free(g->wanted);
    mem_free(g->users);
    mem_free(g->sums);
}

/* pick returns the best combination and moves its collaborative links. Of equal ones the first
 * wins, so no links win over links without effect. */
static void pick(links_choice *out, links_table *collaborative, grid *g)
{
    size_t best = 0;
    for (size_t c = 1; c < COMBINATIONS; c++) {
        size_t way = c / WEIGHTS;
        if (way / RECENCIES < g->kinds && way % RECENCIES < g->recencies &&
            g->sums[c] > g->sums[best]) {
            best = c;
        }
    }
    item_links *l = &g->links[best / WEIGHTS / RECENCIES];
    *out = l->choice;
    *collaborative = l->source[LINKS_COLLABORATIVE];
    l->source[LINKS_COLLABORATIVE] = (links_table){0};
    out->beta[LINKS_COLLABORATIVE] = betas[best % WEIGHTS / BETAS];
    out->beta[LINKS_CONTENT] *= betas[best % BETAS];
    out->recency[LINKS_COLLABORATIVE] = recencies[best / WEIGHTS % RECENCIES];
    out->recency[LINKS_CONTENT] = out->recency[LINKS_COLLABORATIVE];
}

err_code choose_grid(links_choice *out, links_table *collaborative, const model *m,
                     const dataset *d, const prepared *p, err *e)
{
    grid *g = mem_array(1, sizeof *g);
    *out = (links_choice){.recency = {1, 1}};
    if (g == NULL) {
        return err_nomem(e, "the choice of links");
    }
    g->m = m;
    g->d = d;
    err_code code = grid_init(g, p, e);
    if (code == ERR_OK) {
        try_all(g);
        code = g->failed ? err_nomem(e, "the choice of links") : ERR_OK;
    }
    if (code == ERR_OK && g->user_count > 0) {
        pick(out, collaborative, g);
    }
    grid_fini(g);
    mem_free(g);
    return code;
}
