/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_similar: similar items and sessions judged by data, against itemknn.
 *
 * Of a user's held-out items (validation and test) one or two are given, and the others are to be
 * found among the first 20: by `similar` of the one, by the list of a session of the one or the
 * two, and by itemknn over the same training pairs. The view is that of `stair eval`, without what
 * is held out. Users with too few held-out items are passed over; at most USERS_MAX are asked,
 * spread evenly.
 *
 * Usage: bench_similar STORE [GENERATION]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/topk.h"
#include "core/train/eval/baseline.h"
#include "server/cli/command.h"
#include "server/jobs/judge.h"
#include "server/load/dataset_load.h"
#include "server/telemetry/clock.h"
#include "storage/maintenance/recover.h"

enum { USERS_MAX = 2000, K = 20, WAYS = 3 };

static const char *const way_names[WAYS] = {"similar", "session", "itemknn"};

typedef struct bench {
    store *s;
    dataset *d;
    judge *judge;
    baseline *knn;
    recommend_scratch *scratch;
    pair *held; /* (held_count) of validation and test */
    size_t held_count;
    double recall[WAYS];
    size_t users;
} bench;

static void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fprintf(stderr, "bench_similar: %s\n", e->text);
        exit(1);
    }
}

static size_t by_similar(const bench *b, const uint32_t *given, size_t count, uint32_t *rows)
{
    list_query q = {.k = K};
    recommend_result r;
    err e = ERR_INIT;
    if (count != 1) {
        return 0;
    }
    must(similar(judge_view(b->judge), given[0], SIMILAR_ALL, &q, b->scratch, &r, &e), &e);
    for (size_t i = 0; i < r.count; i++) {
        rows[i] = r.hits[i].row;
    }
    return r.count;
}

static size_t by_session(const bench *b, const uint32_t *given, size_t count, uint32_t *rows)
{
    session_item session[2] = {{given[0], 1}, {count > 1 ? given[1] : 0, 1}};
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result r;
    err e = ERR_INIT;
    q.nobody = true;
    q.session = session;
    q.session_count = count;
    q.k = K;
    must(recommend(judge_view(b->judge), &q, b->scratch, &r, &e), &e);
    for (size_t i = 0; i < r.count; i++) {
        rows[i] = r.hits[i].row;
    }
    return r.count;
}

static size_t by_itemknn(const bench *b, const uint32_t *given, size_t count, uint32_t *rows)
{
    topk best;
    topk_hit hits[K];
    topk_init(&best, hits, K);
    for (uint32_t i = 0; i < b->d->items; i++) {
        float score = 0;
        bool is_given = false;
        for (size_t n = 0; n < count; n++) {
            score += baseline_similarity(b->knn, given[n], i);
            is_given = is_given || given[n] == i;
        }
        if (score > 0 && !is_given && !dataset_hidden(b->d, i)) {
            topk_push(&best, i, score);
        }
    }
    size_t found = topk_finish(&best);
    for (size_t i = 0; i < found; i++) {
        rows[i] = hits[i].row;
    }
    return found;
}

static void ask(bench *b, const pair *held, size_t held_count, size_t given_count)
{
    size_t (*const ways[WAYS])(const bench *, const uint32_t *, size_t,
                               uint32_t *) = {by_similar, by_session, by_itemknn};
    uint32_t given[2] = {held[0].item, held[1].item}, rows[K];
    for (int way = 0; way < WAYS; way++) {
        size_t found = ways[way](b, given, given_count, rows), hits = 0;
        for (size_t i = 0; i < found; i++) {
            for (size_t n = given_count; n < held_count; n++) {
                hits += rows[i] == held[n].item;
            }
        }
        b->recall[way] += (double)hits / (double)(held_count - given_count);
    }
    b->users++;
}

static void run(bench *b, size_t given_count)
{
    const pair *held = b->held;
    size_t able = 0, at = 0;
    memset(b->recall, 0, sizeof b->recall);
    b->users = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < b->held_count;) {
            size_t first = k;
            while (k < b->held_count && held[k].user == held[first].user) {
                k++;
            }
            if (k - first <= given_count) {
                continue;
            }
            if (pass == 0) {
                able++;
            } else if (at++ % (able / USERS_MAX + 1) == 0) {
                ask(b, held + first, k - first, given_count);
            }
        }
    }
    printf("%zu given, %zu users:", given_count, b->users);
    for (int way = 0; way < WAYS; way++) {
        if (way > 0 || given_count == 1) {
            printf("  %s Recall@%d %.4f", way_names[way], K,
                   b->users > 0 ? b->recall[way] / (double)b->users : 0);
        }
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        printf("NOT RUN: bench_similar: no store named\n");
        return 0;
    }
    bench b = {0};
    store_info info = {0};
    err e = ERR_INIT;
    store_options so = {.mode = STORE_READ, .now = clock_now()};
    must(recover_open(&b.s, argv[1], &so, &e), &e);
    must(dataset_load(b.s, NULL, &b.d, &info, &e), &e);
    b.held = mem_array(b.d->valid_count + b.d->test_count, sizeof *b.held);
    must(b.held != NULL ? ERR_OK : err_nomem(&e, "the held-out interactions"), &e);
    memcpy(b.held, b.d->valid, b.d->valid_count * sizeof *b.held);
    memcpy(b.held + b.d->valid_count, b.d->test, b.d->test_count * sizeof *b.held);
    b.held_count = pairs_sort(b.held, b.d->valid_count + b.d->test_count);
    judge_options jo = {.s = b.s, .d = b.d, .threads = 2};
    jo.generation = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : info.generation;
    must(judge_new(&b.judge, &jo, &e), &e);
    must(baseline_itemknn_new(&b.knn, b.d, 2, &e), &e);
    must(recommend_scratch_new(&b.scratch, &e), &e);
    run(&b, 1);
    run(&b, 2);
    recommend_scratch_free(b.scratch);
    baseline_free(b.knn);
    judge_free(b.judge);
    mem_free(b.held);
    dataset_free(b.d);
    store_close(b.s);
    return 0;
}
