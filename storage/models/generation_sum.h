/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_sum: the parts of a generation's SHA-256 (generation_sum.c says what it covers), for
 * code that copies tables. Internal to storage/.
 */
#ifndef STORAGE_GENERATION_SUM_H
#define STORAGE_GENERATION_SUM_H

#include "storage/env/sha256.h"
#include "storage/models/model_private.h"

/* generation_table_head writes a table's head: length of the name u8, name, bytes u64, stride u64;
 * returns its length. */
enum { GENERATION_TABLE_HEAD_MAX = 1 + BLOB_NAME_MAX + 16 };
size_t generation_table_head(const char *name, const blob_record *record,
                             unsigned char out[GENERATION_TABLE_HEAD_MAX]);

/* generation_sum_table adds a table's head; the content follows if it has no stride. */
void generation_sum_table(sha256_sum *h, const char *name, const blob_record *record);

#endif
