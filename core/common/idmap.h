/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap: maps external ids to rows and back. Many threads may read while one adds.
 *
 * Ids are kept in the order of their rows, at addresses that never move. A hash table leads from
 * ids to rows. One id can have several rows over time (deleted and created again): a lookup returns
 * the newest row below the caller's limit, so that every view finds its own. Only idmap_truncate
 * removes rows, which no view may have seen.
 *
 * It also interns strings: rows are then numbers assigned in order (idmap_intern).
 *
 * Lookups take no locks and may run at the same time as the one writer. When a hash table grows,
 * the old one is kept until the end, because a reader may still use it; all old ones together are
 * smaller than the newest.
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

/* idmap_put copies `id` as the id of `row`, which must be at or above idmap_rows. Rows that are
 * skipped have no id. Writer only. */
err_code idmap_put(idmap *m, uint32_t row, slice id, err *e) ERR_CHECKED;

/* idmap_rows returns one more than the highest row. Writer only. */
size_t idmap_rows(const idmap *m);

/* idmap_truncate forgets the rows from `rows` on, which no published view may reach. Writer
 * only. */
void idmap_truncate(idmap *m, size_t rows);

/* idmap_intern returns the row of the string, and adds it at the end if it is new. Writer only. */
err_code idmap_intern(uint32_t *out, idmap *m, slice text, err *e) ERR_CHECKED;

/* idmap_find returns the highest row below `limit` with this id, or ROW_NONE. A limit of ROW_NONE
 * means any row. */
uint32_t idmap_find(const idmap *m, slice id, size_t limit);

/* idmap_id borrows the id of a row below the view's limit. It is absent if the row has none. */
slice idmap_id(const idmap *m, uint32_t row);

#endif
