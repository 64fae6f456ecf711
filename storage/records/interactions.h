/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interactions: which user did what with which item, stored under both.
 *
 * There is one record per (user, item, type). It is stored under the user and mirrored under the
 * item, so either list is one range of keys. Types have names in the API and small numbers in the
 * store; the first use of a type assigns the next number, and numbers are never reused.
 */
#ifndef STORAGE_INTERACTIONS_H
#define STORAGE_INTERACTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/change.h"
#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

typedef struct interaction {
    uint32_t user, item; /* rows */
    uint8_t type;
    uint8_t split; /* 0 train, 1 validation, 2 test */
    uint8_t flags; /* EDGE_* */
    float weight;
    int64_t time; /* epoch seconds */
} interaction;

/* interaction_get reads one record. ERR_NOT_FOUND if there is none. */
err_code interaction_get(store_read *r, uint32_t user, uint32_t item, uint8_t type,
                         interaction *out, err *e) ERR_CHECKED;

/* interactions_of_user and _of_item visit one side's records, by (other row, type), starting at the
 * other row `first`. They include records of deleted items. ERR_CANCELLED from the visitor
 * stops. */
typedef err_code (*interaction_visit)(void *ctx, const interaction *x, err *e);
err_code interactions_of_user(store_read *r, uint32_t user, uint32_t first, interaction_visit visit,
                              void *ctx, err *e) ERR_CHECKED;
err_code interactions_of_item(store_read *r, uint32_t item, uint32_t first, interaction_visit visit,
                              void *ctx, err *e) ERR_CHECKED;

/* interactions_each visits all records by (user, item, type), in large reads. It is the way to load
 * them all. */
err_code interactions_each(store_read *r, interaction_visit visit, void *ctx, err *e) ERR_CHECKED;

/* interaction_put writes or replaces one record on both sides. It is fastest in order of (user,
 * item, type). *known tells whether the record existed. */
err_code interaction_put(store_write *w, const interaction *x, bool *known, err *e) ERR_CHECKED;

/* interaction_append writes one side of a record after all others of that side, to fill a store
 * without interactions. Append all records in order of (user, item, type) with `by_user`, then all
 * in order of (item, user, type) without, each once. ERR_INTERNAL: the order is wrong. Nobody may
 * read before both sides are complete, so it is for staged stores. */
err_code interaction_append(store_write *w, const interaction *x, bool by_user, err *e) ERR_CHECKED;

/* interaction_remove removes one record. ERR_NOT_FOUND if there is none. */
err_code interaction_remove(store_write *w, uint32_t user, uint32_t item, uint8_t type,
                            err *e) ERR_CHECKED;

/* The registry of types. type_find returns ERR_NOT_FOUND for a name that was never used.
 * type_number also registers a new name (*is_new); ERR_TOO_LARGE beyond INTERACTION_TYPES_MAX.
 * type_names returns all names in order of their numbers, (count), copied into `a`. */
err_code type_find(store_read *r, slice name, uint8_t *number, err *e) ERR_CHECKED;
err_code type_number(store_write *w, slice name, uint8_t *number, bool *is_new, err *e) ERR_CHECKED;
err_code type_names(store_read *r, arena *a, const slice **out, size_t *count, err *e) ERR_CHECKED;

#endif
