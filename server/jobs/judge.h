/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge: makes lists for evaluations exactly as the service does.
 *
 * The store is loaded into live tables as in `stair serve`, and every list comes from
 * core/serve/query/recommend.h. For an evaluation, the tables hold only what training learned from;
 * held-out interactions are used only as masks. With `served`, everything is loaded, and the lists
 * are those that the service would return.
 *
 * One thread calls; lists are made on `threads` OpenMP threads.
 */
#ifndef SERVER_JUDGE_H
#define SERVER_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/serve/query/recommend.h"
#include "core/serve/update/live.h"
#include "storage/env/store.h"

typedef struct judge judge;

typedef struct judge_options {
    store *s;            /* borrowed, like the dataset */
    const dataset *d;    /* data of the same store, borrowed; may be NULL if `served` */
    uint32_t generation; /* an existing generation */
    int threads;
    bool served;
} judge_options;

err_code judge_new(judge **out, const judge_options *o, err *e) ERR_CHECKED;
void judge_free(judge *j); /* accepts NULL */

/* judge_view borrows the view that is evaluated. */
const view *judge_view(const judge *j);

/* judge_lister borrows `j`. Seen items are not left out, because the protocol's mask does that. */
eval_lister judge_lister(judge *j);

/* judge_lister_given makes lists for the given items of `x` (core/train/eval/given.h) instead of
 * users: as a session or, with `similar`, items similar to the first of them. It borrows `x`. */
err_code judge_lister_given(eval_lister *out, judge *j, const dataset *x, bool similar,
                            err *e) ERR_CHECKED;

/* judge_scores borrows the scores (k) of entry `index` in the last block that the lister made. */
const float *judge_scores(const judge *j, size_t index);

/* judge_answers returns what the service answers `count` (<= EVAL_BLOCK) users by default: rows
 * (count, k), and scores through judge_scores. */
err_code judge_answers(judge *j, const uint32_t *users, size_t count, size_t k, uint32_t *rows,
                       size_t *found, err *e) ERR_CHECKED;

#endif
