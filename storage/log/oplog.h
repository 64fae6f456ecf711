/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oplog: the log of recent ops by seq, each written in the transaction of its op.
 *
 * It is kept for replicas and for inspection; this process does not replay it. An entry holds the
 * encoded op, its time, and how many rows had been assigned before it, so that a reader can
 * continue after an entry that an erasure has emptied. The log is trimmed by bytes and by age,
 * oldest first, a bounded number of entries per group.
 */
#ifndef STORAGE_OPLOG_H
#define STORAGE_OPLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

typedef struct oplog_entry {
    uint64_t seq;
    int64_t time;                  /* time of the expiry clock, by which the log is trimmed */
    uint32_t user_rows, item_rows; /* rows assigned before the op */
    bool redacted;                 /* an erasure removed part of it */
    slice op;                      /* encoded */
} oplog_entry;

/* oplog_get reads one entry, copied into `a`. ERR_NOT_FOUND: it was trimmed or never existed. */
err_code oplog_get(store_read *r, uint64_t seq, arena *a, oplog_entry *out, err *e) ERR_CHECKED;

/* oplog_range returns the first and last seq in the log; both are 0 if it is empty. */
err_code oplog_range(store_read *r, uint64_t *first, uint64_t *last, err *e) ERR_CHECKED;

/* oplog_bytes_limit returns the size that the log is trimmed to: `oplog_bytes` (0 means OPLOG_MIB),
 * or an eighth of the quota (0 means none) if that is less, so that the log cannot use up the
 * quota. */
uint64_t oplog_bytes_limit(uint64_t oplog_bytes, uint64_t quota_bytes);

#endif
