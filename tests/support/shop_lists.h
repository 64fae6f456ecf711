/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shop_lists: computes the random shop's lists by brute force, over plain arrays and in double: it
 * scores every listable item one by one. recommend() must give the same lists. */
#ifndef TESTS_SUPPORT_SHOP_LISTS_H
#define TESTS_SUPPORT_SHOP_LISTS_H

#include "tests/support/shop.h"

typedef struct shop_scored {
    uint32_t row;
    double score, collaborative, multimodal; /* the parts sum to the score */
} shop_scored;

/* shop_by_score is for qsort: best first, ties to the lower row. */
int shop_by_score(const void *a, const void *b);

/* shop_place_in orders items like the popular (or latest) list: by users, and those without users
 * by creation time, the later row first within one second. */
double shop_place_in(const fixture *f, bool newest, uint32_t row);

/* shop_lists_expected lists every candidate of a query, best first, without offset and diversity.
 * *personal tells how many of them have a score; the others are popular items. */
size_t shop_lists_expected(const fixture *f, const recommend_query *q,
                           shop_scored *out /* (SHOP_ITEMS_MAX) */, size_t *personal);

/* shop_check_list asserts that recommend() answers the query correctly, without diversity; with
 * explain also the parts. */
void shop_check_list(const fixture *f, const recommend_query *q);

/* shop_query makes a random query in memory of `room`. */
typedef struct shop_query_room {
    session_item session[4];
    uint32_t exclude[20];
    shop_filter_room texts;
    filter filtered;
} shop_query_room;
recommend_query shop_query(shop *s, shop_query_room *room);

#endif
