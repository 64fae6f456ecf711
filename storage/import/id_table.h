/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_table: maps external ids to numbers, in memory, during an import.
 *
 * An import of ten million lines looks up twenty million ids. A hash table that keeps all ids in
 * one block costs about 30 bytes for each id, besides the id itself. Entries are never removed. One
 * thread at a time.
 */
#ifndef STORAGE_ID_TABLE_H
#define STORAGE_ID_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"

typedef struct id_table id_table;

/* id_table_new makes an empty table; id_table_free accepts NULL. */
err_code id_table_new(id_table **out, err *e) ERR_CHECKED;
void id_table_free(id_table *t);

/* id_table_find reads the value of `id`, or returns false. */
bool id_table_find(const id_table *t, slice id, uint32_t *value);

/* id_table_add stores a value for an id that is not there yet; the bytes are copied. */
err_code id_table_add(id_table *t, slice id, uint32_t value, err *e) ERR_CHECKED;

size_t id_table_count(const id_table *t);

#endif
