/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users: which users exist. A user's record exists as long as the user: erasure removes the record
 * and the id, and the row is never used again.
 */
#ifndef STORAGE_USERS_H
#define STORAGE_USERS_H

#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

typedef struct stored_user {
    uint32_t row;
    slice id;
    int64_t created; /* epoch seconds */
} stored_user;

/* user_find returns the row of an id. ERR_NOT_FOUND if there is none. */
err_code user_find(store_read *r, slice id, uint32_t *row, err *e) ERR_CHECKED;

/* user_get reads the record of `row`, copied into `a`. ERR_NOT_FOUND: the row is not in use. */
err_code user_get(store_read *r, uint32_t row, arena *a, stored_user *out, err *e) ERR_CHECKED;

/* user_each visits the records with row >= first in order of rows. ERR_CANCELLED from the visitor
 * stops. */
typedef err_code (*user_visit)(void *ctx, const stored_user *u, err *e);
err_code user_each(store_read *r, uint32_t first, user_visit visit, void *ctx, err *e) ERR_CHECKED;

/* user_create assigns the next row to `id`. ERR_CONFLICT: the id exists. */
err_code user_create(store_write *w, slice id, int64_t created, uint32_t *row, err *e) ERR_CHECKED;

#endif
