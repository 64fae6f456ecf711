/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/cold_protocol.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/scan.h"
#include "core/serve/query/recommend.h"
#include "core/train/loop/fit_map.h"
#include "core/train/loop/train.h"
#include "tests/bench/measuring.h"

enum { K = COLD_K, USERS_MAX = 6000 };

/* options_of returns the defaults of `stair train`, with the number of epochs that was best on this
 * data. */
static train_options options_of(const cold_bench *b, size_t pairs)
{
    train_options o = TRAIN_OPTIONS_INIT;
    o.layers = 4;
    o.without_fsc = true;
    o.batch = 0;
    o.lr = 0;
    o.epochs = 40;
    o.threads = 2;
    o.seed = b->seed > 0 ? b->seed : o.seed;
    train_options_fit(&o, pairs, b->data.modality_count > 0);
    return o;
}

void cold_hide(cold_bench *b)
{
    err e = ERR_INIT;
    b->warm = sports_data_hide(&b->data, b->tenth, &e);
    must(b->warm == 0 ? ERR_NOMEM : ERR_OK, &e);
    b->starts = mem_array(b->data.users + 1, sizeof *b->starts);
    for (size_t i = 0, user = 0; user <= b->data.users; user++) {
        while (i < b->data.edge_count && b->data.edges[i].user < user) {
            i++;
        }
        b->starts[user] = i;
    }
    b->asked = mem_array(b->data.users, sizeof *b->asked);
    for (uint32_t user = 0; user < b->data.users; user++) {
        size_t cold = 0, known = 0;
        for (size_t i = b->starts[user]; i < b->starts[user + 1]; i++) {
            cold += b->data.edges[i].item >= b->warm;
            known += b->data.edges[i].item < b->warm && b->data.edges[i].split == 0;
        }
        if (cold > 0 && known > 0 && b->asked_count < USERS_MAX) {
            b->asked[b->asked_count++] = user;
        }
    }
}

static pair *pairs_of(const cold_bench *b, uint32_t split, size_t *count)
{
    pair *pairs = mem_array(b->data.edge_count, sizeof *pairs);
    *count = 0;
    for (size_t i = 0; i < b->data.edge_count; i++) {
        const sports_edge *in = &b->data.edges[i];
        if (in->split == split && in->item < b->warm) {
            pairs[(*count)++] = (pair){in->user, in->item, 1, 0};
        }
    }
    return pairs;
}

static void say_progress(void *ctx, const train_progress *p)
{
    (void)ctx;
    if (p->phase == TRAIN_EVALUATING || p->fraction == 0) {
        fprintf(stderr, "\repoch %u of %u ", p->epoch, p->epochs);
    }
}

/* add_map fits the map to the training interactions alone. */
static void add_map(const cold_bench *b, const dataset *features, model *m)
{
    err e = ERR_INIT;
    size_t count = 0;
    pair *pairs = pairs_of(b, 0, &count);
    must(fit_map(m, features, pairs, count, &e), &e);
    if (getenv("WITHOUT_MAP") != NULL) {
        content_map_free(m->map);
        m->map = NULL;
    }
    mem_free(pairs);
}

static dataset *features_of(const cold_bench *b, feature_table *tables)
{
    err e = ERR_INIT;
    dataset *d = NULL;
    must(dataset_new(&d, b->data.users, b->warm, &e), &e);
    d->modalities = mem_array(b->data.modality_count, sizeof *d->modalities);
    d->modality_count = b->data.modality_count;
    for (size_t n = 0; n < b->data.modality_count; n++) {
        tables[n] = (feature_table){b->data.features[n], b->warm, b->data.widths[n]};
        d->modalities[n] =
            feature_source_table(b->data.names[n], &tables[n], b->data.neighbours[n]);
    }
    return d;
}

static model *train(const cold_bench *b, dataset *d)
{
    err e = ERR_INIT;
    model *m = NULL;
    d->train = pairs_of(b, 0, &d->train_count);
    d->valid = pairs_of(b, 1, &d->valid_count);
    train_options options = options_of(b, d->train_count);
    train_hooks hooks = {.progress = say_progress};
    must(train_run(&m, d, &options, &hooks, &e), &e);
    const item_links *l = m->links;
    if (l != NULL) {
        fprintf(stderr, "links: together %g, content %g, served %s\n",
                (double)l->choice.beta[LINKS_COLLABORATIVE], (double)l->choice.beta[LINKS_CONTENT],
                model_serving_name(m->serving));
    }
    model_keep(m, b->kept);
    return m;
}

static void copy_modality(model *to, const model_modality *in, size_t index)
{
    err e = ERR_INIT;
    must(model_modality_alloc(to, index, in->name, in->width, &e), &e);
    model_modality *x = &to->modalities[index];
    x->neighbours = in->neighbours;
    memcpy(x->mean, in->mean, in->width * sizeof *x->mean);
    memcpy(x->projection, in->projection, in->width * to->dim * sizeof *x->projection);
    memcpy(x->spread, in->spread, to->dim * sizeof *x->spread);
    memcpy(x->content, in->content, to->items * to->dim * sizeof *x->content);
}

/* copy_of copies a model without the map. */
static model *copy_of(const model *m)
{
    err e = ERR_INIT;
    model *to = NULL;
    size_t items = m->items * m->dim;
    must(model_new(&to, &m->options, m->users, m->items, m->modality_count, &e), &e);
    model_serve(to, m->serving);
    memcpy(to->user_e, m->user_e, m->users * m->dim * sizeof *to->user_e);
    memcpy(to->item_e, m->item_e, items * sizeof *to->item_e);
    memcpy(to->item_h, m->item_h, items * sizeof *to->item_h);
    memcpy(to->item_g, m->item_g, items * sizeof *to->item_g);
    to->user_pairs = need(mem_copy(m->user_pairs, m->users * sizeof *to->user_pairs));
    if (m->links != NULL) {
        must(links_copy(&to->links, m->links, m->items, &e), &e);
    }
    for (size_t n = 0; n < m->modality_count; n++) {
        copy_modality(to, &m->modalities[n], n);
    }
    return to;
}

model *cold_trained(cold_bench *b)
{
    feature_table tables[SPORTS_MODALITIES_MAX];
    dataset *d = features_of(b, tables);
    if (b->once == NULL) {
        b->once = train(b, d);
    }
    model *m = copy_of(b->once);
    add_map(b, d, m);
    dataset_free(d);
    return m;
}

/* put_item posts one item; hidden ones are in the category "new". `without` leaves modalities
 * out, as bits. */
static void put_item(const cold_bench *b, live *l, uint32_t row, unsigned without, uint64_t seq)
{
    err e = ERR_INIT;
    char id[16];
    snprintf(id, sizeof id, "%u", row);
    slice category = slice_of("new");
    feature features[SPORTS_MODALITIES_MAX];
    uint32_t count = 0;
    for (size_t n = 0; n < b->data.modality_count; n++) {
        if ((without >> n & 1) == 0) {
            features[count++] = (feature){.modality = slice_of(b->data.names[n]),
                                          .dtype = FEATURE_F4,
                                          .width = (uint32_t)b->data.widths[n],
                                          .data = b->data.features[n] + row * b->data.widths[n]};
        }
    }
    change_item item = {.row = row,
                        .created = true,
                        .features_changed = true,
                        .id = slice_of(id),
                        .categories = &category,
                        .category_count = row >= b->warm,
                        .features = features,
                        .feature_count = count};
    change c = {.kind = CHANGE_ITEM, .item = &item};
    change_list list = {&c, 1, seq};
    must(live_apply(l, &list, &e), &e);
}

/* cold_shop makes live tables with the trained items and the training interactions, and then posts
 * the hidden items. */
live *cold_shop(cold_bench *b, const coldstart_tuning *tuning, unsigned without, bool raw)
{
    err e = ERR_INIT;
    live *l = NULL;
    must(live_new(&l, NULL, &e), &e);
    uint64_t seq = 0;
    for (uint32_t row = 0; row < b->warm; row++) {
        put_item(b, l, row, 0, ++seq);
    }
    live_edge *edges = mem_array(b->data.edge_count, sizeof *edges);
    for (uint32_t user = 0; user < b->data.users; user++) {
        size_t count = 0;
        for (size_t i = b->starts[user]; i < b->starts[user + 1]; i++) {
            if (b->data.edges[i].split == 0 && b->data.edges[i].item < b->warm) {
                edges[count++] = (live_edge){
                    .item = b->data.edges[i].item, .weight = 1, .flags = EDGE_IN_GRAPH | EDGE_SEEN};
            }
        }
        char id[16];
        snprintf(id, sizeof id, "%u", user);
        must(live_load_user(l, user, slice_of(id), edges, count, &e), &e);
    }
    must(live_load_end(l, ++seq, &e), &e);
    mem_free(edges);
    feature_table tables[SPORTS_MODALITIES_MAX];
    feature_source sources[SPORTS_MODALITIES_MAX];
    for (size_t n = 0; n < b->data.modality_count; n++) {
        tables[n] = (feature_table){b->data.features[n], b->data.items, b->data.widths[n]};
        sources[n] = feature_source_table(b->data.names[n], &tables[n], b->data.neighbours[n]);
    }
    base_options made = {.generation = 1,
                         .tuning = tuning,
                         .sources = sources,
                         .source_count = raw ? b->data.modality_count : 0};
    base *base_made = NULL;
    must(base_new(&base_made, cold_trained(b), &made, &e), &e);
    must(live_activate(l, base_made, ++seq, &e), &e);
    for (uint32_t row = (uint32_t)b->warm; row < b->data.items; row++) {
        put_item(b, l, row, without, ++seq);
    }
    return l;
}

/* judge adds one user's list to the sums: which of the user's items of this kind it contains. */
static void judge(const cold_bench *b, uint32_t user, bool cold, const uint32_t *rows, size_t count,
                  cold_quality *q)
{
    size_t wanted = 0;
    double dcg = 0, ideal = 0, found = 0;
    for (size_t i = b->starts[user]; i < b->starts[user + 1]; i++) {
        const sports_edge *in = &b->data.edges[i];
        bool held_out = cold ? in->item >= b->warm : in->item < b->warm && in->split == 2;
        if (!held_out) {
            continue;
        }
        ideal += wanted < K ? 1 / log2((double)wanted + 2) : 0;
        wanted++;
        for (size_t n = 0; n < count; n++) {
            if (rows[n] == in->item) {
                found += 1;
                dcg += 1 / log2((double)n + 2);
            }
        }
    }
    if (wanted > 0) {
        q->recall += found / (double)wanted;
        q->ndcg += dcg / ideal;
        q->users++;
    }
}

cold_quality cold_ask(const cold_bench *b, live *l, cold_scope what)
{
    err e = ERR_INIT;
    cold_quality q = {0, 0, 0};
    recommend_scratch *scratch = NULL;
    must(recommend_scratch_new(&scratch, &e), &e);
    live_hold hold;
    live_acquire(l, &hold);
    slice new = slice_of("new");
    filter only = {.categories_any = &new, .categories_any_count = 1};
    filter none = {.categories_none = &new, .categories_none_count = 1};
    uint32_t *masked = mem_array(b->data.items, sizeof *masked);
    bool warm = what == WARM_WITH || what == WARM_WITHOUT;
    for (size_t n = 0; n < (warm ? b->data.users : b->asked_count); n++) {
        uint32_t user = warm ? (uint32_t)n : b->asked[n];
        recommend_query query = RECOMMEND_QUERY_INIT;
        recommend_result got;
        query.user = user;
        query.k = K;
        query.filter = what == AMONG_HIDDEN ? &only : what == WARM_WITHOUT ? &none : NULL;
        query.exclude = masked;
        for (size_t i = b->starts[user]; i < b->starts[user + 1]; i++) {
            if (b->data.edges[i].split == 1 && b->data.edges[i].item < b->warm) {
                masked[query.exclude_count++] = b->data.edges[i].item;
            }
        }
        must(recommend(hold.view, &query, scratch, &got, &e), &e);
        uint32_t rows[K];
        for (size_t i = 0; i < got.count; i++) {
            rows[i] = got.hits[i].row;
        }
        judge(b, user, !warm, rows, got.count, &q);
    }
    live_release(l, &hold);
    recommend_scratch_free(scratch);
    mem_free(masked);
    q.recall /= (double)q.users;
    q.ndcg /= (double)q.users;
    return q;
}

/* cold_content_knn ranks hidden (or all) items by their cosines to the mean of the user's features,
 * weighted 5:1. */
cold_quality cold_content_knn(const cold_bench *b, bool all, unsigned without)
{
    cold_quality q = {0, 0, 0};
    float *unit[SPORTS_MODALITIES_MAX], *mean = mem_array(4096, sizeof *mean);
    float *scores = mem_array(b->data.items, sizeof *scores);
    float *part = mem_array(b->data.items, sizeof *part);
    topk_hit hits[K];
    for (size_t m = 0; m < b->data.modality_count; m++) {
        size_t width = b->data.widths[m];
        unit[m] = mem_table(b->data.items * width, sizeof(float));
        for (size_t i = 0; i < b->data.items; i++) {
            const float *x = b->data.features[m] + i * width;
            float norm = sqrtf(scan_dot(x, x, width));
            bool gone = i >= b->warm && (without >> m & 1) != 0;
            for (size_t j = 0; j < width; j++) {
                unit[m][i * width + j] = norm > 0 && !gone ? x[j] / norm : 0;
            }
        }
    }
    for (size_t n = 0; n < b->asked_count; n++) {
        uint32_t user = b->asked[n];
        memset(scores, 0, b->data.items * sizeof *scores);
        for (size_t m = 0; m < b->data.modality_count; m++) {
            size_t width = b->data.widths[m];
            memset(mean, 0, width * sizeof *mean);
            for (size_t i = b->starts[user]; i < b->starts[user + 1]; i++) {
                const sports_edge *in = &b->data.edges[i];
                for (size_t j = 0; in->split == 0 && in->item < b->warm && j < width; j++) {
                    mean[j] += b->data.features[m][in->item * width + j];
                }
            }
            float norm = sqrtf(scan_dot(mean, mean, width));
            scan_rows(unit[m], b->data.items, width, mean, part);
            for (size_t i = 0; norm > 0 && i < b->data.items; i++) {
                scores[i] += (float)b->data.neighbours[m] * part[i] / norm;
            }
        }
        for (size_t i = b->starts[user]; i < b->starts[user + 1]; i++) {
            if (b->data.edges[i].item < b->warm) {
                scores[b->data.edges[i].item] = -INFINITY;
            }
        }
        topk best;
        topk_init(&best, hits, K);
        for (size_t i = all ? 0 : b->warm; i < b->data.items; i++) {
            topk_push(&best, (uint32_t)i, scores[i]);
        }
        uint32_t rows[K];
        size_t count = topk_finish(&best);
        for (size_t i = 0; i < count; i++) {
            rows[i] = hits[i].row;
        }
        judge(b, user, true, rows, count, &q);
    }
    for (size_t m = 0; m < b->data.modality_count; m++) {
        mem_free(unit[m]);
    }
    mem_free(mean);
    mem_free(scores);
    mem_free(part);
    q.recall /= (double)q.users;
    q.ndcg /= (double)q.users;
    return q;
}
