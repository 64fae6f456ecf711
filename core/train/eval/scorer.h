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

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/model/lister.h"
#include "core/model/model.h"

typedef struct scorer {
    lister l;
    const float *user_h;            /* (users, dim) */
    const float *item_h;            /* (items, dim) */
    size_t dim;                     /* <= TRAIN_DIM_MAX */
    float longest;                  /* of the items' rows */
    uint64_t *placed;               /* bitmap over item rows: not all zero */
    const item_links *links;        /* of the graph of d->train; NULL: the products alone */
    float *covariance;              /* (dim, dim) of item_h; only with links */
    size_t *history;                /* (users + 1) into d->train; only with links */
    float *own_user_h, *own_item_h; /* or NULL */
    item_links *own_links;          /* or NULL */
} scorer;

/* scorer_init completes a scorer whose user_h, item_h, dim and perhaps links are set; these and the
 * dataset are borrowed. Sets OpenBLAS to one thread. scorer_fini is due whatever the outcome. */
err_code scorer_init(scorer *s, const dataset *d, int threads, err *e) ERR_CHECKED;

/* scorer_init_model judges a model over the training pairs of `d`: it computes H of users and items
 * from the model's E, builds its collaborative links anew, and never looks at the model's own H and
 * links, which may count more. */
err_code scorer_init_model(scorer *s, const model *m, const dataset *d, int threads,
                           err *e) ERR_CHECKED;

void scorer_fini(scorer *s);

/* scorer_lister borrows `s`, which must not move meanwhile. */
eval_lister scorer_lister(scorer *s);

#endif
