/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_cold: how well an item is recommended that training never saw, by MODEL.md's protocol.
 *
 * A tenth of the items of Amazon Sports is hidden, 40 epochs are trained on the rest, the hidden
 * ones are then posted from their features alone, and users are asked for them: Recall@20 and
 * NDCG@20 of their interactions with hidden items, among the hidden items and among all, beside
 * content kNN (weighted cosine to the mean of the user's items) and chance. "warm" is the usual
 * test of the items that were trained, with the new ones in the lists and without.
 *
 * Usage: bench_cold [FOLDER [KEPT_MODEL]]; with CHOSEN_ONLY in the environment the losers are left
 * out. The last line is a JSON document.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/scan.h"
#include "core/serve/query/recommend.h"
#include "core/serve/state/coldstart_maps.h"
#include "core/serve/update/live.h"
#include "core/train/loop/train.h"
#include "tests/bench/sports_data.h"

enum { K = 20, USERS_MAX = 6000 };

static const train_options options = {
    .dim = 64,
    .layers = 3,
    .gamma_forward = 0.2,
    .gamma_backward = 0.2,
    .lr = 3e-3,
    .weight_decay = 0.1,
    .batch = 8192,
    .epochs = 40,
    .eval_every = 20,
    .seed = 1,
    .threads = 2,
    .select_metric = TRAIN_NDCG,
    .select_at = K,
};

typedef struct bench {
    sports_data data;
    size_t warm; /* item rows below are trained, the others hidden */
    const char *kept;
    size_t *starts;  /* (users + 1) into data.edges */
    uint32_t *asked; /* (asked_count) users with hidden and with training interactions */
    size_t asked_count;
    bool chosen_only; /* leave the losers out */
} bench;

typedef struct quality {
    double recall, ndcg;
    size_t users;
} quality;

static void die(const err *e)
{
    fprintf(stderr, "bench_cold: %s\n", e->text);
    exit(1);
}

static void must(err_code rc, const err *e)
{
    if (rc != ERR_OK) {
        die(e);
    }
}

static void hide_a_tenth(bench *b)
{
    err e = ERR_INIT;
    b->warm = sports_data_hide(&b->data, &e);
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

static pair *pairs_of(const bench *b, uint32_t split, size_t *count)
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

static model *trained(const bench *b)
{
    model *m = model_recall(b->kept, &options, b->data.users, b->warm, &b->data);
    if (m != NULL) {
        return m;
    }
    err e = ERR_INIT;
    dataset *d = NULL;
    must(dataset_new(&d, b->data.users, b->warm, &e), &e);
    feature_table tables[SPORTS_MODALITIES];
    d->modalities = mem_array(SPORTS_MODALITIES, sizeof *d->modalities);
    d->modality_count = SPORTS_MODALITIES;
    for (size_t n = 0; n < SPORTS_MODALITIES; n++) {
        tables[n] = (feature_table){b->data.features[n], b->warm, b->data.widths[n]};
        d->modalities[n] =
            feature_source_table(b->data.names[n], &tables[n], b->data.neighbours[n]);
    }
    d->train = pairs_of(b, 0, &d->train_count);
    d->valid = pairs_of(b, 1, &d->valid_count);
    train_hooks hooks = {.progress = say_progress};
    must(train_run(&m, d, &options, &hooks, &e), &e);
    dataset_free(d);
    model_keep(m, b->kept);
    return m;
}

/* put_item posts one item; hidden ones are in the category "new". `without` leaves modalities
 * out, as bits. */
static void put_item(const bench *b, live *l, uint32_t row, unsigned without, uint64_t seq)
{
    err e = ERR_INIT;
    char id[16];
    snprintf(id, sizeof id, "%u", row);
    slice category = slice_of("new");
    feature features[SPORTS_MODALITIES];
    uint32_t count = 0;
    for (size_t n = 0; n < SPORTS_MODALITIES; n++) {
        if ((without >> n & 1) == 0) {
            features[count++] =
                (feature){slice_of(b->data.names[n]), FEATURE_F4, (uint32_t)b->data.widths[n],
                          b->data.features[n] + row * b->data.widths[n]};
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

/* open_shop has the trained items, the training interactions, and the hidden items posted. */
static live *open_shop(const bench *b, const coldstart_tuning *tuning, unsigned without, bool raw)
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
    feature_table tables[SPORTS_MODALITIES];
    feature_source sources[SPORTS_MODALITIES];
    for (size_t n = 0; n < SPORTS_MODALITIES; n++) {
        tables[n] = (feature_table){b->data.features[n], b->data.items, b->data.widths[n]};
        sources[n] = feature_source_table(b->data.names[n], &tables[n], b->data.neighbours[n]);
    }
    base_options made = {.generation = 1,
                         .tuning = tuning,
                         .sources = sources,
                         .source_count = raw ? SPORTS_MODALITIES : 0};
    base *base_made = NULL;
    must(base_new(&base_made, trained(b), &made, &e), &e);
    must(live_activate(l, base_made, ++seq, &e), &e);
    for (uint32_t row = (uint32_t)b->warm; row < b->data.items; row++) {
        put_item(b, l, row, without, ++seq);
    }
    return l;
}

/* judge adds one user's list: which of the user's items of this kind it found. */
static void judge(const bench *b, uint32_t user, bool cold, const uint32_t *rows, size_t count,
                  quality *q)
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

typedef enum scope { AMONG_HIDDEN, AMONG_ALL, WARM_WITH, WARM_WITHOUT } scope;

static quality ask(const bench *b, live *l, scope what)
{
    err e = ERR_INIT;
    quality q = {0, 0, 0};
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

/* content_knn ranks hidden (or all) items by 5:1 cosines to the mean of the user's features. */
static quality content_knn(const bench *b, bool all, unsigned without)
{
    quality q = {0, 0, 0};
    float *unit[SPORTS_MODALITIES], *mean = mem_array(4096, sizeof *mean);
    float *scores = mem_array(b->data.items, sizeof *scores);
    float *part = mem_array(b->data.items, sizeof *part);
    topk_hit hits[K];
    for (size_t m = 0; m < SPORTS_MODALITIES; m++) {
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
        for (size_t m = 0; m < SPORTS_MODALITIES; m++) {
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
    for (size_t m = 0; m < SPORTS_MODALITIES; m++) {
        mem_free(unit[m]);
    }
    mem_free(mean);
    mem_free(scores);
    mem_free(part);
    q.recall /= (double)q.users;
    q.ndcg /= (double)q.users;
    return q;
}

/* A row of the table. */
typedef struct row {
    const char *name;
    coldstart_tuning tuning;
    unsigned without; /* modalities that the new items lack, as bits */
    bool raw;         /* neighbours by the features as given */
} row;

static double variant(const bench *b, const row *r, double knn)
{
    live *l = open_shop(b, &r->tuning, r->without, r->raw);
    quality hidden = ask(b, l, AMONG_HIDDEN), all = ask(b, l, AMONG_ALL);
    quality with = ask(b, l, WARM_WITH);
    printf("%-44s %.4f %.4f  %.2f   %.4f %.4f   %.4f %.4f\n", r->name, hidden.recall, hidden.ndcg,
           hidden.recall / knn, all.recall, all.ndcg, with.recall, with.ndcg);
    fflush(stdout);
    live_free(l);
    return hidden.recall / knn;
}

/* table prints every candidate of MODEL.md, then the chosen one; returns its ratio to kNN. */
static double table(const bench *b)
{
    quality knn = content_knn(b, false, 0), knn_all = content_knn(b, true, 0);
    printf("%-44s %.4f %.4f  %.2f   %.4f %.4f\n", "content kNN", knn.recall, knn.ndcg, 1.0,
           knn_all.recall, knn_all.ndcg);
    live *l = open_shop(b, NULL, 0, true);
    quality w = ask(b, l, WARM_WITHOUT);
    printf("%-44s %36s  %.4f %.4f\n", "trained items alone", "", w.recall, w.ndcg);
    live_free(l);
    coldstart_tuning none = coldstart_tuning_default;
    none.affinity = 0;
    row rows[] = {
        {"a: MI projection", none, 0, false},
        {"b: neighbours in 64 directions", none, 0, false},
        {"c: ridge", none, 0, false},
        {"d: ridge + residuals in 64 directions", none, 0, false},
        {"b: neighbours by the features as given", none, 0, true},
        {"d: ridge + residuals, features as given", none, 0, true},
        {"b as given + affinity 1", none, 0, true},
        {"b as given + affinity 2", none, 0, true},
        {"b as given + affinity 4", none, 0, true},
    };
    static const coldstart_way ways[] = {
        COLDSTART_MI,         COLDSTART_NEIGHBOURS, COLDSTART_RIDGE,
        COLDSTART_RESIDUALS,  COLDSTART_NEIGHBOURS, COLDSTART_RESIDUALS,
        COLDSTART_NEIGHBOURS, COLDSTART_NEIGHBOURS, COLDSTART_NEIGHBOURS};
    static const float affinities[] = {0, 0, 0, 0, 0, 0, 1, 2, 4};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !b->chosen_only; i++) {
        rows[i].tuning.way = ways[i];
        rows[i].tuning.affinity = affinities[i];
        (void)variant(b, &rows[i], knn.recall);
    }
    double ratio = variant(b, &(row){"chosen", coldstart_tuning_default, 0, true}, knn.recall);
    static const char *lacking[] = {"chosen, new items without text",
                                    "chosen, new items without categories",
                                    "chosen, new items without either"};
    for (unsigned m = 1; m <= 3; m++) {
        quality less = content_knn(b, false, m);
        printf("%-44s %.4f %.4f  %.2f\n", "content kNN likewise", less.recall, less.ndcg,
               less.recall / knn.recall);
        (void)variant(b, &(row){lacking[m - 1], coldstart_tuning_default, m, true}, knn.recall);
    }
    return ratio;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "../shared/data/sports";
    bench b = {.kept = argc > 2 ? argv[2] : NULL, .chosen_only = getenv("CHOSEN_ONLY") != NULL};
    err e = ERR_INIT;
    err_code rc = sports_data_sports(&b.data, folder, &e);
    if (rc == ERR_NOT_FOUND) {
        printf("NOT RUN: bench_cold needs %s (%s)\n", folder, e.text);
        return 0;
    }
    must(rc, &e);
    hide_a_tenth(&b);
    printf("%zu items, %zu of them hidden; %zu users asked\n", b.data.items, b.data.items - b.warm,
           b.asked_count);
    printf("%-44s %s\n", "", "among hidden  x kNN  among all       warm");
    double ratio = table(&b);
    printf("{\"cold_recall_over_content_knn\": %.4f}\n", ratio);
    sports_data_free(&b.data);
    return 0;
}
