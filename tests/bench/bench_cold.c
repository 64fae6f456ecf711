/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_cold: measures how well items are recommended that training has not seen.
 *
 * The bench hides a tenth of the items of Amazon Sports, trains for 40 epochs with the default
 * options on the rest, and posts the hidden items with nothing but their features. Then it requests
 * lists for users and prints Recall@20 and NDCG@20 of their interactions with hidden items, once
 * among the hidden items and once among all. For comparison it prints the same for content kNN
 * (weighted cosine to the mean of the user's items) and for chance. "warm" is the usual test of the
 * trained items, with and without the new ones in the lists.
 *
 * Usage: bench_cold [FOLDER [KEPT_MODEL]]. In the environment, TENTH is the seed that chooses the
 * hidden items, SEED that of the training, CHOSEN_ONLY leaves the rejected variants out, and
 * RATIO_ONLY prints nothing but the last line, a JSON document.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/cold_protocol.h"
#include "tests/bench/measuring.h"

/* A row of the table. */
typedef struct row {
    const char *name;
    coldstart_tuning tuning;
    unsigned without; /* modalities that the new items lack, as bits */
    bool raw;         /* neighbours by the features as given */
} row;

static double variant(cold_bench *b, const row *r, double knn)
{
    live *l = cold_shop(b, &r->tuning, r->without, r->raw);
    cold_quality hidden = cold_ask(b, l, AMONG_HIDDEN), all = cold_ask(b, l, AMONG_ALL);
    cold_quality with = cold_ask(b, l, WARM_WITH);
    printf("%-44s %.4f %.4f  %.2f   %.4f %.4f   %.4f %.4f\n", r->name, hidden.recall, hidden.ndcg,
           hidden.recall / knn, all.recall, all.ndcg, with.recall, with.ndcg);
    fflush(stdout);
    live_free(l);
    return hidden.recall / knn;
}

/* ratio_alone returns the same ratio as table, and measures nothing else. */
static double ratio_alone(cold_bench *b)
{
    cold_quality knn = cold_content_knn(b, false, 0);
    live *l = cold_shop(b, &coldstart_tuning_default, 0, true);
    cold_quality hidden = cold_ask(b, l, AMONG_HIDDEN);
    live_free(l);
    return hidden.recall / knn.recall;
}

/* table prints every way to place a new item that was compared, and then the chosen one. It returns
 * the ratio of the chosen one's recall to that of kNN. */
static double table(cold_bench *b)
{
    printf("%-44s %s\n", "", "among hidden  x kNN  among all       warm");
    cold_quality knn = cold_content_knn(b, false, 0), knn_all = cold_content_knn(b, true, 0);
    printf("%-44s %.4f %.4f  %.2f   %.4f %.4f\n", "content kNN", knn.recall, knn.ndcg, 1.0,
           knn_all.recall, knn_all.ndcg);
    live *l = cold_shop(b, NULL, 0, true);
    cold_quality w = cold_ask(b, l, WARM_WITHOUT);
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
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && getenv("CHOSEN_ONLY") == NULL; i++) {
        rows[i].tuning.way = ways[i];
        rows[i].tuning.affinity = affinities[i];
        (void)variant(b, &rows[i], knn.recall);
    }
    double ratio = variant(b, &(row){"chosen", coldstart_tuning_default, 0, true}, knn.recall);
    static const char *lacking[] = {"chosen, new items without text",
                                    "chosen, new items without categories",
                                    "chosen, new items without either"};
    for (unsigned m = 1; m <= 3; m++) {
        cold_quality less = cold_content_knn(b, false, m);
        printf("%-44s %.4f %.4f  %.2f\n", "content kNN likewise", less.recall, less.ndcg,
               less.recall / knn.recall);
        (void)variant(b, &(row){lacking[m - 1], coldstart_tuning_default, m, true}, knn.recall);
    }
    return ratio;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "../shared/data/sports";
    const char *tenth = getenv("TENTH"), *seed = getenv("SEED");
    cold_bench b = {.kept = argc > 2 ? argv[2] : NULL};
    b.tenth = tenth != NULL ? (unsigned)atoi(tenth) : SPORTS_TENTH;
    b.seed = seed != NULL ? strtoull(seed, NULL, 10) : 0;
    err e = ERR_INIT;
    err_code code = sports_data_sports(&b.data, folder, &e);
    if (code == ERR_NOT_FOUND) {
        printf("NOT RUN: bench_cold needs %s (%s)\n", folder, e.text);
        return 0;
    }
    must(code, &e);
    cold_hide(&b);
    printf("%zu items, %zu of them hidden; %zu users asked\n", b.data.items, b.data.items - b.warm,
           b.asked_count);
    double ratio = getenv("RATIO_ONLY") != NULL ? ratio_alone(&b) : table(&b);
    printf("{\"cold_recall_over_content_knn\": %.4f}\n", ratio);
    model_free(b.once);
    sports_data_free(&b.data);
    return 0;
}
