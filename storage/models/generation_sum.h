/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_sum: the parts of a generation's SHA-256 (generation_sum.c says what it covers), for
 * whoever sees the tables pass by. Internal to storage/.
 */
#ifndef STORAGE_GENERATION_SUM_H
#define STORAGE_GENERATION_SUM_H

#include "storage/env/sha256.h"
#include "storage/models/model_private.h"

/* generation_sum_table adds a table's head; the content follows if it has no stride. */
void generation_sum_table(sha256_sum *h, const char *name, const blob_record *record);

#endif
