/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval: measures the quality of lists, by full ranking over all items.
 *
 * The evaluator chooses the users and masks their items. A `lister` makes the lists for a block of
 * users. The service's scorer, the trainer's block matrix products and the baselines are all
 * listers, so one protocol judges them all, and offline figures describe what is served online.
 *
 * Protocol stair (FreeRec's, which the authors use) masks training items, and on test also
 * validation items. Every user with at least one held-out item counts. Protocol mmrec masks only
 * training items and leaves out users without training items. Items without training interactions
 * stay candidates.
 *
 * A user without training items gets the popular list, as in the service. A hidden item is in no
 * list; a held-out interaction with it counts as not found, since the user did take it. Listers
 * follow core/model/lister.h in this and in how they break ties.
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
    uint32_t user;           /* the user's row */
    const uint32_t *exclude; /* (exclude_count) item rows that must not be listed, ascending */
    size_t exclude_count;
} eval_ask;

/* list writes the best k item rows for each of `count` (<= EVAL_BLOCK) asks, in the order of
 * core/model/lister.h, into rows (count, k). found[i] <= k is the length of list i. */
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
    /* per_user is called for every user that counts, in row order, with the list and the metrics at
     * each `at`. May be NULL. */
    void (*per_user)(void *ctx, uint32_t user, const uint32_t *rows, size_t found,
                     const double *recall, const double *ndcg);
    void *per_user_ctx;
    bool (*cancelled)(void *ctx); /* called between blocks; may be NULL */
    void *cancelled_ctx;
} eval_options;

#define EVAL_OPTIONS_INIT                                                                          \
    {                                                                                              \
        .on = EVAL_TEST, .at = {1, 10, 20}, .at_count = 3                                          \
    }

typedef struct eval_metrics {
    size_t users;       /* users who count under the protocol */
    size_t dropped;     /* users with held-out items who do not count under the protocol */
    size_t no_history;  /* of `users`, those without training items */
    size_t hidden;      /* hidden items, without deleted ones */
    size_t held;        /* interactions of `users` to be found */
    size_t held_hidden; /* of `held`, those with hidden items, which no list finds */
    uint32_t at[EVAL_AT_MAX];
    size_t at_count;
    double recall[EVAL_AT_MAX], ndcg[EVAL_AT_MAX]; /* means over users; 0 if there are none */
} eval_metrics;

/* eval_run evaluates every user that counts. Two threads must not share a lister. */
err_code eval_run(eval_metrics *out, const dataset *d, const eval_options *o,
                  const eval_lister *lister, err *e) ERR_CHECKED;

/* eval_measured tells whether metrics at `at` were measured on at least one user. eval_metric
 * returns one of them, or 0. */
bool eval_measured(const eval_metrics *m, uint32_t at);
double eval_metric(const eval_metrics *m, train_metric metric, uint32_t at);

/* eval_protocol_mask describes in words what a protocol masks. Every output with a metric shows
 * it. */
const char *eval_protocol_name(eval_protocol protocol);
const char *eval_protocol_mask(eval_protocol protocol, eval_on on);

#endif
