/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval: how good lists are, by full ranking over all items.
 *
 * The evaluator decides who is asked and what is masked; where the lists come from is the caller's
 * business: a `lister` answers for a block of users. The service's own scorer, the trainer's block
 * matrix products and the baselines are three listers, so one protocol judges all of them and what
 * is measured offline is what is served online.
 *
 * Protocol stair (FreeRec's, the authors'): training items are masked, for test validation items
 * too; every user with at least one held-out item counts. Protocol mmrec masks training items only
 * and leaves out users without training items. Items without training interactions stay candidates.
 *
 * A user without training items is judged by the popular list, which is what the service gives
 * them. A hidden item is in no list; held out, it counts as not found, since it was what the user
 * took. Listers follow core/model/lister.h in both, and in ties.
 */
#ifndef CORE_EVAL_H
#define CORE_EVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/train_options.h"

enum { EVAL_AT_MAX = 8, EVAL_K_MAX = 1000, EVAL_BLOCK = 256 };

typedef enum eval_on { EVAL_VALID = 0, EVAL_TEST } eval_on;

typedef struct eval_ask {
    uint32_t user;           /* row */
    const uint32_t *exclude; /* (exclude_count) item rows that must not be listed, ascending */
    size_t exclude_count;
} eval_ask;

/* list writes for each of `count` (<= EVAL_BLOCK) asks the best k item rows, in the order of
 * core/model/lister.h, into rows (count, k); found[i] <= k says how many there are. */
typedef struct eval_lister {
    err_code (*list)(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                     size_t *found, err *e);
    void *ctx;
} eval_lister;

typedef struct eval_options {
    eval_on on;
    eval_protocol protocol;
    uint32_t at[EVAL_AT_MAX]; /* ascending, 1 .. EVAL_K_MAX */
    size_t at_count;
    /* Called for every user that counts, in order of rows, with the list and the metrics at each
     * `at`; may be NULL. */
    void (*per_user)(void *ctx, uint32_t user, const uint32_t *rows, size_t found,
                     const double *recall, const double *ndcg);
    void *per_user_ctx;
    bool (*cancelled)(void *ctx); /* asked between blocks; may be NULL */
    void *cancelled_ctx;
} eval_options;

#define EVAL_OPTIONS_INIT                                                                          \
    {                                                                                              \
        .on = EVAL_TEST, .at = {1, 10, 20}, .at_count = 3                                          \
    }

typedef struct eval_metrics {
    size_t users;       /* that count */
    size_t dropped;     /* have held-out items but do not count under the protocol */
    size_t no_history;  /* of `users`: without a training item */
    size_t hidden;      /* items that no list may hold, deleted ones apart */
    size_t held;        /* interactions to be found, of `users` */
    size_t held_hidden; /* of these: of hidden items, which no list finds */
    uint32_t at[EVAL_AT_MAX];
    size_t at_count;
    double recall[EVAL_AT_MAX], ndcg[EVAL_AT_MAX]; /* means over users; 0 without any */
} eval_metrics;

/* eval_run asks the lister for every user that counts. Not for two threads on one lister. */
err_code eval_run(eval_metrics *out, const dataset *d, const eval_options *o,
                  const eval_lister *lister, err *e) ERR_CHECKED;

/* eval_measured tells whether there are figures at `at`, of at least one user. eval_metric gives
 * one of them, 0 if there are none. */
bool eval_measured(const eval_metrics *m, uint32_t at);
double eval_metric(const eval_metrics *m, train_metric metric, uint32_t at);

/* eval_protocol_mask says in words what a protocol masks, for every output that shows a figure. */
const char *eval_protocol_name(eval_protocol protocol);
const char *eval_protocol_mask(eval_protocol protocol, eval_on on);

#endif
