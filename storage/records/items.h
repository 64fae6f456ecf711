/* SPDX-License-Identifier: Apache-2.0 */
/*
 * items: the items' records, and the map from ids to rows.
 *
 * A row is assigned once. A deleted item keeps a record without content (a tombstone with its id),
 * so that interactions with the row stay readable. The id is then free. If it is used again, it
 * gets a new row, which refers to the previous one: users who had seen the old item have seen the
 * new one. Always true: every id in the map leads to a record that is not deleted and has this id,
 * and every record that is not deleted is found by its id.
 *
 * Functions that read take a store_read; those that take a store_write are for apply and import.
 */
#ifndef STORAGE_ITEMS_H
#define STORAGE_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

typedef struct stored_item {
    uint32_t row;
    bool hidden;
    bool deleted; /* true: only id and row have a meaning */
    slice id;
    slice title;       /* absent if there is none */
    slice description; /* absent if there is none */
    const slice *categories;
    const attribute *attributes; /* by name */
    uint32_t category_count;
    uint32_t attribute_count;
    int64_t created;       /* epoch seconds */
    uint64_t updated_seq;  /* seq of the op that last wrote the item */
    uint64_t encoded_hash; /* hash of the text given to an encoder (item_text.h); 0 if none was */
    uint32_t predecessor;  /* 1 + the row that the id had before it was deleted; 0 if none */
    slice later;           /* encoded fields of a later version, kept unchanged */
} stored_item;

/* item_find returns the row of an id. ERR_NOT_FOUND if there is none. */
err_code item_find(store_read *r, slice id, uint32_t *row, err *e) ERR_CHECKED;

/* item_get reads the record of `row`, copied into `a`, also if the item is deleted. ERR_NOT_FOUND:
 * the row was never assigned. */
err_code item_get(store_read *r, uint32_t row, arena *a, stored_item *out, err *e) ERR_CHECKED;

/* item_each calls `visit` for every record with row >= `first`, in order of rows, also for deleted
 * items. The item is valid during the call. `visit` may return ERR_CANCELLED to stop early;
 * item_each then returns ERR_OK. */
typedef err_code (*item_visit)(void *ctx, const stored_item *it, err *e);
err_code item_each(store_read *r, uint32_t first, item_visit visit, void *ctx, err *e) ERR_CHECKED;

/* How many earlier rows of an id are searched, if it was deleted and created again. */
enum { ITEM_LIVES_MAX = 64 };

/* item_gone returns 1 + the last row of a deleted id, or 0. It is the predecessor of a new item
 * with that id. */
err_code item_gone(store_read *r, slice id, uint32_t *predecessor, err *e) ERR_CHECKED;

/* item_create assigns the next row to it->id and writes the record. It ignores it->row and returns
 * the row in *row. ERR_CONFLICT: the id exists. */
err_code item_create(store_write *w, const stored_item *it, uint32_t *row, err *e) ERR_CHECKED;

/* item_put rewrites the record of an existing row. The id must be the same. */
err_code item_put(store_write *w, const stored_item *it, err *e) ERR_CHECKED;

/* item_delete leaves a tombstone, and removes the features and the id's mapping. */
err_code item_delete(store_write *w, uint32_t row, uint64_t seq, err *e) ERR_CHECKED;

#endif
