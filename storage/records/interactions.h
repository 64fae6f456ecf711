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

/* interaction_get reads one record; ERR_NOT_FOUND without one. */
err_code interaction_get(store_read *r, uint32_t user, uint32_t item, uint8_t type,
                         interaction *out, err *e) ERR_CHECKED;

/* interactions_of_user and _of_item visit one side's records, by (other row, type), from the other
 * row `first` on; ERR_CANCELLED stops. Those with deleted items are among them. */
typedef err_code (*interaction_visit)(void *ctx, const interaction *x, err *e);
err_code interactions_of_user(store_read *r, uint32_t user, uint32_t first, interaction_visit visit,
                              void *ctx, err *e) ERR_CHECKED;
err_code interactions_of_item(store_read *r, uint32_t item, uint32_t first, interaction_visit visit,
                              void *ctx, err *e) ERR_CHECKED;

/* interactions_each visits all, by (user, item, type), in large reads: the way to load them. */
err_code interactions_each(store_read *r, interaction_visit visit, void *ctx, err *e) ERR_CHECKED;

/* interaction_put writes or replaces one record, both sides. In order of (user, item, type) it is
 * fastest. *known tells whether a record was there. */
err_code interaction_put(store_write *w, const interaction *x, bool *known, err *e) ERR_CHECKED;

/* interaction_append writes one side of a record behind all others of that side: the way to fill a
 * store that has no interactions. First all records in order of (user, item, type) with `by_user`,
 * then all in order of (item, user, type) without, each once; ERR_INTERNAL out of order. Both sides
 * must be complete before anyone reads them, so it is for staged stores. */
err_code interaction_append(store_write *w, const interaction *x, bool by_user, err *e) ERR_CHECKED;

/* interaction_remove takes one record away; ERR_NOT_FOUND without one. */
err_code interaction_remove(store_write *w, uint32_t user, uint32_t item, uint8_t type,
                            err *e) ERR_CHECKED;

/* The registry of types. type_find: ERR_NOT_FOUND for a name never used. type_number registers a
 * new name (*is_new); ERR_TOO_LARGE beyond INTERACTION_TYPES_MAX. type_names gives all in order of
 * their numbers, (count), copied into `a`. */
err_code type_find(store_read *r, slice name, uint8_t *number, err *e) ERR_CHECKED;
err_code type_number(store_write *w, slice name, uint8_t *number, bool *is_new, err *e) ERR_CHECKED;
err_code type_names(store_read *r, arena *a, const slice **out, size_t *count, err *e) ERR_CHECKED;

#endif
