/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_rows: computes the users' rows of H for an evaluation, with the arithmetic of a service's
 * request.
 *
 *     H_u = w E_u + sum_i a_ui G_i        a_ui = weight / sqrt(deg_u deg_i)
 *
 * Convolving the whole table gives the same numbers except for rounding. This sum runs in the order
 * of the user's items, like core/serve/query/recommend_user.c, so that an evaluated list and a
 * served list agree to the last bit. For a user whose row of E is 0, the mean of E over their items
 * takes its place. A user without pairs gets a row of zeros.
 */
#ifndef CORE_USER_ROWS_H
#define CORE_USER_ROWS_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/model/dataset.h"

typedef struct user_tables {
    size_t users, items, dim;
    const float *w;      /* (dim) weight of a user's own layer: the model's user_w */
    const float *user_e; /* (users, dim) */
    const float *item_e; /* (items, dim) */
    const float *item_g; /* (items, dim) */
    const pair *pairs;   /* (pair_count) the graph, sorted by (user, item), unique */
    size_t pair_count;
    int threads;
} user_tables;

/* user_rows writes out (users, dim), which may not overlap the tables. */
err_code user_rows(const user_tables *t, float *out, err *e) ERR_CHECKED;

#endif
