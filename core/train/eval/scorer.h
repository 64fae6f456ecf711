/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scorer: makes lists for evaluations from inner products of two whole tables, and from links.
 *
 * Block matrix products select the candidates among all items, and core/search/scan.h scores those
 * near the top. So a list is to the last bit the one that core/serve/query/recommend.h makes of the
 * same tables, at the speed of a matrix product. An item whose row of H is 0 is unscored, here and
 * there; for a user whose row is 0, all items are unscored.
 */
#ifndef CORE_SCORER_H
#define CORE_SCORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/model/lister.h"
#include "core/model/model.h"

typedef struct scorer {
    lister l;
    const float *user_h; /* (users, dim) */
    const float *item_h; /* (items, dim) */
    size_t dim;          /* <= TRAIN_DIM_MAX */
    float longest;       /* length of the longest item row */
    uint64_t *placed;    /* bitmap over item rows: rows that are not all zero */
    bool all_placed;
    /* links over the graph of d->train; NULL: a score is the inner product alone */
    const item_links *links;
    float *covariance; /* (dim, dim) covariance of the rows of item_h; only with links */
    size_t *history;   /* (users + 1) where each user's pairs begin in d->train; only with links */
    float *own_user_h, *own_item_h; /* tables that scorer_fini frees, or NULL */
    item_links *own_links;          /* links that scorer_fini frees, or NULL */
} scorer;

/* scorer_init completes a scorer whose user_h, item_h, dim and optional links are set. These and
 * the dataset are borrowed. It sets OpenBLAS to one thread. Call scorer_fini whatever the
 * outcome. */
err_code scorer_init(scorer *s, const dataset *d, int threads, err *e) ERR_CHECKED;

/* scorer_init_model prepares to judge a model over the training pairs of `d`. It computes H of
 * users and items from the model's E, and builds collaborative links anew. It never uses the
 * model's own H and links, which may include other splits. */
err_code scorer_init_model(scorer *s, const model *m, const dataset *d, int threads,
                           err *e) ERR_CHECKED;

/* scorer_init_linked is scorer_init_model for a model whose links are over the training pairs of
 * `d` already. It borrows them. */
err_code scorer_init_linked(scorer *s, const model *m, const dataset *d, int threads,
                            err *e) ERR_CHECKED;

void scorer_fini(scorer *s);

/* scorer_lister borrows `s`, which must not move while the lister is used. */
eval_lister scorer_lister(scorer *s);

#endif
