/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_rows: the users' rows of H for a judgement, by the arithmetic of a service's request.
 *
 *     H_u = w E_u + sum_i a_ui G_i        a_ui = weight / sqrt(deg_u deg_i)
 *
 * Convolving the whole table gives the same numbers but for rounding. Here the sum runs in the
 * order of the user's items, as core/serve/query/recommend_user.c takes it, so that a judged list
 * and a served one agree to the last bit. A user whose row of E is 0 enters with the mean of E over
 * their items, one without pairs gets a row of zeros.
 */
#ifndef CORE_USER_ROWS_H
#define CORE_USER_ROWS_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/model/dataset.h"

typedef struct user_tables {
    size_t users, items, dim;
    const float *w;      /* (dim) of a user's own layer: a model's user_w */
    const float *user_e; /* (users, dim) */
    const float *item_e; /* (items, dim) */
    const float *item_g; /* (items, dim) */
    const pair *pairs;   /* (pair_count) sorted by (user, item), unique: the graph */
    size_t pair_count;
    int threads;
} user_tables;

/* user_rows writes out (users, dim), which may not overlap the tables. */
err_code user_rows(const user_tables *t, float *out, err *e) ERR_CHECKED;

#endif
