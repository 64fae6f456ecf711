/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scorer: lists by inner products of two whole tables, for evaluations.
 *
 * Block matrix products, exact, ties to the lower row. The service's scorer for one user at a time
 * is core/serve/query/recommend.h; this one is for thousands of users at once, in training and for
 * comparison.
 */
#ifndef CORE_SCORER_H
#define CORE_SCORER_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/model/model.h"
#include "core/train/eval/lister.h"

typedef struct scorer {
    lister l;
    const float *user_h; /* (users, dim) */
    const float *item_h; /* (items, dim) */
    size_t dim;          /* <= TRAIN_DIM_MAX */
    float *own;          /* what scorer_fini frees */
} scorer;

/* scorer_init completes a scorer whose user_h, item_h and dim are set; the tables and the dataset
 * are borrowed. Sets OpenBLAS to one thread. */
void scorer_init(scorer *s, const dataset *d, int threads);

/* scorer_init_model computes H of all users from the model's E and the training pairs of `d`. */
err_code scorer_init_model(scorer *s, const model *m, const dataset *d, int threads,
                           err *e) ERR_CHECKED;

void scorer_fini(scorer *s);

/* scorer_lister borrows `s`, which must not move meanwhile. */
eval_lister scorer_lister(scorer *s);

#endif
