/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shop_user: computes the row from which a request for a user of the random shop starts, plainly in
 * double over the shop's own arrays (the formula of core/serve/query/user_e.c). */
#ifndef TESTS_SUPPORT_SHOP_USER_H
#define TESTS_SUPPORT_SHOP_USER_H

#include "tests/support/shop.h"

typedef struct shop_own {
    uint32_t item;
    float weight;
    uint32_t time;
} shop_own;

/* shop_profile lists the user's items that count, at most (2 SHOP_EDGES_MAX), and the session's.
 * `user` may be ROW_NONE. */
size_t shop_profile(const shop *s, uint32_t user, const session_item *session, size_t count,
                    shop_own *own);

/* shop_stranger tells whether training has not seen the user, or there is no user. */
bool shop_stranger(const view *v, uint32_t user);

/* shop_mean_user writes the mean of the users' own rows in the weights of a query, at length 1. */
void shop_mean_user(const base *b, double *mean /* (SHOP_DIM) */);

/* shop_user_e writes the user's own row of E, (SHOP_DIM). */
void shop_user_e(const view *v, uint32_t user, const shop_own *own, size_t count, double *e);

#endif
