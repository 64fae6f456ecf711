/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/prepare.h"

#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/interaction_graph.h"
#include "core/model/links_build.h"
#include "core/train/method/item_graph.h"
#include "core/train/method/knn.h"
#include "core/train/method/whiten.h"

/* Random streams of the seed. Epochs use the low numbers. */
#define STREAM_INITIAL (UINT64_C(1) << 40)
#define STREAM_SPARE   (UINT64_C(1) << 41)

/* Spread of the start values in columns that content does not fill: small, so that interactions
 * shape them. Without content these are all columns. The paper's start without content, 1e-4, is
 * far too small for four plain layers: it costs a fifth of the Recall on TikTok without
 * features. */
#define SPARE_SPREAD 1e-2

static err_code whiten_modality(prepared *p, size_t m, const dataset *d, const train_options *o,
                                err *e)
{
    const feature_source *source = &d->modalities[m];
    model shape = {.dim = o->dim, .items = d->items, .modalities = p->modalities};
    err_code code = model_modality_alloc(&shape, m, source->name, source->width, e);
    if (code != ERR_OK) {
        return code;
    }
    model_modality *x = &p->modalities[m];
    x->neighbours = source->neighbours;
    whitening w = {x->mean, x->projection, x->spread, x->content, 0, 0};
    return whiten_run(source, o->dim, o->threads, &w, e);
}

/* Results of the neighbour searches, kept until both graphs are built from them. */
typedef struct searches {
    neighbour_lists *graph; /* (count) */
    links_near *near;       /* (count) */
    uint32_t **rows;        /* (count) */
    float **similarity;     /* (count) */
    size_t count;
} searches;

static void searches_fini(searches *x)
{
    for (size_t m = 0; x->rows != NULL && x->similarity != NULL && m < x->count; m++) {
        mem_free(x->rows[m]);
        mem_free(x->similarity[m]);
    }
    mem_free(x->graph);
    mem_free(x->near);
    mem_free(x->rows);
    mem_free(x->similarity);
}

static err_code searches_init(searches *x, size_t count, err *e)
{
    x->count = count;
    x->graph = mem_array(count, sizeof *x->graph);
    x->near = mem_array(count, sizeof *x->near);
    x->rows = mem_array(count, sizeof *x->rows);
    x->similarity = mem_array(count, sizeof *x->similarity);
    bool ready = x->graph != NULL && x->near != NULL && x->rows != NULL && x->similarity != NULL;
    return ready ? ERR_OK : err_nomem(e, "modalities");
}

/* find_neighbours finds as many neighbours in a modality as the item graph and the links need. */
static err_code find_neighbours(searches *x, const dataset *d, size_t m, const train_options *o,
                                const prepare_hooks *hooks, err *e)
{
    uint32_t wanted = d->modalities[m].neighbours;
    size_t k = o->without_links || wanted > LINKS_KEPT_CONTENT ? wanted : LINKS_KEPT_CONTENT;
    knn_options options = {.k = k,
                           .threads = o->threads,
                           .recall_min = o->knn_recall_min,
                           .seed = o->seed,
                           .cancelled = hooks->cancelled,
                           .ctx = hooks->ctx};
    x->rows[m] = mem_array(d->items * k, sizeof *x->rows[m]);
    x->similarity[m] = mem_array(d->items * k, sizeof *x->similarity[m]);
    if (x->rows[m] == NULL || x->similarity[m] == NULL) {
        return err_nomem(e, "neighbours");
    }
    x->graph[m] = (neighbour_lists){x->rows[m], wanted, k};
    x->near[m] = (links_near){.rows = x->rows[m], .similarity = x->similarity[m], .k = k};
    return knn_search(&d->modalities[m], &options, x->rows[m], x->similarity[m], e);
}

/* weigh gives each modality the same weight in content links as in MI. */
static void weigh(searches *x, const dataset *d, prepared *p)
{
    double sum = 0;
    for (size_t m = 0; m < x->count; m++) {
        sum += (double)d->modalities[m].neighbours;
    }
    for (size_t m = 0; m < x->count && sum > 0; m++) {
        x->near[m].weight = (float)((double)d->modalities[m].neighbours / sum);
        p->content_weight[m] = x->near[m].weight;
    }
}

static err_code make_graphs(prepared *p, searches *x, const dataset *d, const train_options *o,
                            err *e)
{
    err_code code = ERR_OK;
    if (!o->without_bsc && o->layers > 0) {
        code = item_graph_new(&p->s, x->graph, x->count, d->items, o->threads, e);
    }
    if (code == ERR_OK && !o->without_links && x->count <= MODALITIES_MAX) {
        weigh(x, d, p);
        code = links_content(&p->content, x->near, x->count, d->items, e);
    }
    return code;
}

static err_code prepare_modalities(prepared *p, const dataset *d, const train_options *o,
                                   const prepare_hooks *hooks, err *e)
{
    size_t count = d->modality_count;
    bool near = count > 0 && (!o->without_links || (!o->without_bsc && o->layers > 0));
    searches x = {0};
    err_code code = searches_init(&x, count, e);
    p->modality_count = count;
    p->modalities = mem_array(count, sizeof *p->modalities);
    if (code == ERR_OK && p->modalities == NULL) {
        code = err_nomem(e, "modalities");
    }
    for (size_t m = 0; code == ERR_OK && m < count; m++) {
        if (hooks->modality != NULL) {
            hooks->modality(hooks->ctx, d->modalities[m].name);
        }
        code = whiten_modality(p, m, d, o, e);
        if (code == ERR_OK && near) {
            code = find_neighbours(&x, d, m, o, hooks, e);
        }
        if (code == ERR_OK && hooks->cancelled != NULL && hooks->cancelled(hooks->ctx)) {
            code = err_set(e, ERR_CANCELLED, "the training was stopped");
        }
    }
    if (code == ERR_OK && near) {
        code = make_graphs(p, &x, d, o, e);
    }
    searches_fini(&x);
    return code;
}

err_code prepare_run(prepared *out, const dataset *d, const train_options *o,
                     const prepare_hooks *hooks, err *e)
{
    *out = (prepared){0};
    interaction_list list = {d->train, d->train_count, d->users, d->items};
    err_code code = interaction_graph_new(&out->a, &list, o->threads, e);
    if (code == ERR_OK) {
        code = prepare_modalities(out, d, o, hooks, e);
    }
    return code;
}

err_code prepare_again(prepared *out, prepared *from, const dataset *d, const train_options *o,
                       err *e)
{
    csr *other = from->a;
    *out = *from;
    out->a = NULL;
    *from = (prepared){0};
    csr_free(other);
    interaction_list list = {d->train, d->train_count, d->users, d->items};
    return interaction_graph_new(&out->a, &list, o->threads, e);
}

void prepared_fini(prepared *p)
{
    csr_free(p->a);
    csr_free(p->s);
    links_table_fini(&p->content);
    for (size_t m = 0; p->modalities != NULL && m < p->modality_count; m++) {
        mem_free(p->modalities[m].mean);
        mem_free(p->modalities[m].projection);
        mem_free(p->modalities[m].spread);
        mem_free(p->modalities[m].content);
    }
    mem_free(p->modalities);
    *p = (prepared){0};
}

static void initial_item(const prepared *p, size_t item, size_t dim, float *out)
{
    double weights = 0;
    memset(out, 0, dim * sizeof *out);
    for (size_t m = 0; m < p->modality_count; m++) {
        const float *w = p->modalities[m].content + item * dim;
        float weight = (float)p->modalities[m].neighbours;
        if (isnan(w[0]) || weight <= 0) {
            continue;
        }
        weights += (double)weight;
        for (size_t j = 0; j < dim; j++) {
            out[j] += weight * w[j];
        }
    }
    for (size_t j = 0; weights > 0 && j < dim; j++) {
        out[j] = (float)((double)out[j] / weights);
    }
}

size_t prepared_rank(const prepared *p, size_t dim)
{
    size_t largest = 0;
    for (size_t m = 0; m < p->modality_count; m++) {
        size_t rank = p->modalities[m].neighbours > 0 ? model_rank(&p->modalities[m], dim) : 0;
        largest = rank > largest ? rank : largest;
    }
    return largest;
}

/* fill_spare draws the columns from `rank` on for every item with interactions. An item without
 * content and interactions stays 0, because nothing is known about it. */
static void fill_spare(const dataset *d, const train_options *o, size_t rank, float *items)
{
    rng r;
    rng_init(&r, o->seed, STREAM_SPARE);
    for (size_t k = 0; k < d->train_count && rank < o->dim; k++) {
        float *row = items + d->train[k].item * o->dim;
        if (row[rank] != 0) { /* drawn already */
            continue;
        }
        for (size_t j = rank; j < o->dim; j++) {
            row[j] = (float)(SPARE_SPREAD * rng_normal(&r));
        }
    }
}

static void initial_users(const dataset *d, size_t dim, const float *items, float *out)
{
    for (size_t k = 0; k < d->train_count;) {
        size_t first = k;
        uint32_t user = d->train[k].user;
        float *u = out + user * dim;
        for (; k < d->train_count && d->train[k].user == user; k++) {
            for (size_t j = 0; j < dim; j++) {
                u[j] += items[d->train[k].item * dim + j];
            }
        }
        for (size_t j = 0; j < dim; j++) {
            u[j] /= (float)(k - first);
        }
    }
}

void prepare_initial(const prepared *p, const dataset *d, const train_options *o, float *e0)
{
    size_t dim = o->dim, rows = d->users + d->items;
    float *items = e0 + d->users * dim;
    memset(e0, 0, rows * dim * sizeof *e0);
    for (size_t i = 0; !o->without_mi && i < d->items; i++) {
        initial_item(p, i, dim, items + i * dim);
    }
    if (!o->without_mi) {
        fill_spare(d, o, prepared_rank(p, dim), items);
        initial_users(d, dim, items, e0);
        return;
    }
    rng r;
    rng_init(&r, o->seed, STREAM_INITIAL);
    for (size_t k = 0; k < rows * dim; k++) {
        e0[k] = (float)(1e-4 * rng_normal(&r));
    }
}
