/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap: external ids to rows and back, read by many threads while one adds.
 *
 * Ids are kept in the order of their rows at addresses that never move; a hash table of rows leads
 * back. One id can have several rows over time (deleted and come again): a lookup gives the newest
 * row below the caller's limit, so that every view finds its own. Nothing is removed but by
 * idmap_truncate, which takes back rows that no view has seen.
 *
 * It interns strings too: there rows are simply numbers given in order (idmap_intern).
 *
 * Lookups are lock-free and may run beside the one writer. A hash table that growth replaced is
 * kept until the end, because a reader may be in it: all of them together are smaller than the
 * newest one.
 */
#ifndef CORE_IDMAP_H
#define CORE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "core/common/types.h"

typedef struct idmap idmap;

err_code idmap_new(idmap **out, err *e) ERR_CHECKED;
void idmap_free(idmap *m);

/* idmap_put copies `id` as that of `row`, which is at or above idmap_rows; rows left out have no
 * id. Writer only. */
err_code idmap_put(idmap *m, uint32_t row, slice id, err *e) ERR_CHECKED;

/* idmap_rows is one more than the highest row. Writer only. */
size_t idmap_rows(const idmap *m);

/* idmap_truncate forgets the rows from `rows` on. Writer only; no published view reaches them. */
void idmap_truncate(idmap *m, size_t rows);

/* idmap_intern gives the row of the string, a new one at the end if need be. Writer only. */
err_code idmap_intern(uint32_t *out, idmap *m, slice text, err *e) ERR_CHECKED;

/* idmap_find gives the highest row below `limit` with this id, or ROW_NONE. A limit of
 * ROW_NONE means any row. */
uint32_t idmap_find(const idmap *m, slice id, size_t limit);

/* idmap_id borrows the id of a row below the view's limit; absent if it has none. */
slice idmap_id(const idmap *m, uint32_t row);

#endif
