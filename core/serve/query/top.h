/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top: the first items of the popular and of the latest list, kept with every view.
 *
 * Most such lists need a few dozen rows of a million. So a view holds the first few thousand rows
 * of each list, in order. A request walks down the list and takes the rows that are allowed. Only
 * if filters and exclusions leave too few is the whole catalogue scanned (top_scan), which gives
 * the same rows.
 *
 * Order of the popular list: more users first, ties to the lower row. Order among items without
 * users, and of the latest list: newest first, and within one second the row that came last. A key
 * holds only what its list's order needs and zeros elsewhere, so two keys of one list differ
 * exactly if their places do.
 *
 * Invariant of a list: it holds every listable row whose key is not behind `threshold`, or, if
 * `whole`, every listable row. Immutable once its view is published; core/serve/update/live_top.c
 * makes it.
 */
#ifndef CORE_TOP_H
#define CORE_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/serve/state/view_tables.h"

typedef struct top_key {
    int64_t created; /* 0 if users > 0 */
    uint32_t users;  /* 0 in the latest list */
    uint32_t row;
} top_key;

struct top_list {
    size_t count;
    bool whole;
    top_key threshold; /* without meaning if `whole` */
    top_key keys[];    /* (count) in order */
};

static inline bool top_before(top_key a, top_key b)
{
    if (a.users != b.users) {
        return a.users > b.users;
    }
    if (a.users > 0) {
        return a.row < b.row;
    }
    return a.created != b.created ? a.created > b.created : a.row > b.row;
}

static inline top_key top_key_of(const view *v, top_kind kind, uint32_t row)
{
    uint32_t users = kind == TOP_USERS ? view_item_users(v, row) : 0;
    return (top_key){users > 0 ? 0 : view_item_created(v, row), users, row};
}

/* top_scan writes the keys of the first `room` rows of `allowed` (filter_words(v) words) in order,
 * and returns their number. It reads a column of the whole catalogue and allocates nothing. */
size_t top_scan(const view *v, top_kind kind, const uint64_t *allowed, top_key *out, size_t room);

#endif
