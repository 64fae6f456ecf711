/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: makes ops durable.
 *
 * Applying an op maps ids to rows, decides conflicts and unknown items, and writes the records, the
 * log entry and the idempotency record. It reports the outcome of each entry, and the changes that
 * the live tables need. Every entry is checked before any part of it is written, so a refused entry
 * leaves no trace. An op whose entries are all refused gets no seq and is not logged.
 *
 * The outcome of an op depends only on the store's content and on the ops before it. Clock,
 * configuration, quota, grouping, number of threads, and which generations' tables lie on this
 * machine have no influence. Whatever depends on those is decided at admission: apply_group refuses
 * ops that exceed the quota, and apply_messages takes ops that a log has already accepted.
 *
 * One group at a time (the writer thread). Results may be read from other threads afterwards.
 */
#ifndef STORAGE_APPLY_H
#define STORAGE_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/change.h"
#include "core/common/err.h"
#include "storage/env/store.h"
#include "storage/log/op.h"

typedef enum apply_outcome {
    APPLY_REFUSED = 0, /* `code` says why */
    APPLY_CREATED,     /* a new item or interaction */
    APPLY_UPDATED,     /* an item was replaced or patched, or an interaction repeated */
    APPLY_REMOVED,
} apply_outcome;

typedef struct apply_entry {
    err_code code; /* ERR_OK, ERR_CONFLICT, ERR_NOT_FOUND, ERR_INVALID, ERR_TOO_LARGE */
    apply_outcome outcome;
    uint32_t row;        /* row of the item, or ROW_NONE if unknown */
    uint32_t user_row;   /* row of the user, for interactions */
    uint32_t removed;    /* interactions deleted by a removal; generations deleted by a prune */
    uint32_t generation; /* the number assigned by a registration */
    const char *detail;  /* text for people, in lower case; NULL if code is ERR_OK */
    /* the part of the entry that the detail is about, as a JSON pointer: "/features/text", "/item";
     * absent for the whole entry */
    slice field;
} apply_entry;

/* What OP_USER_ERASE removed. */
typedef struct apply_receipt {
    uint64_t interactions;
    uint32_t generations; /* registered generations that have a row for the user */
    uint32_t log_entries; /* log entries that were rewritten without the user */
    uint32_t idempotency; /* stored answers that were emptied */
    bool checkpoint;      /* a training checkpoint was removed */
    bool training;        /* a training is running; its result will drop the user when it ends */
} apply_receipt;

typedef struct apply_result {
    /* code of the op. ERR_OK if any entry was accepted, otherwise the code that the entries share,
     * or ERR_INVALID. ERR_UNPROCESSABLE: the key was used with another body. ERR_NOT_FOUND without
     * entries: the stored answer was erased with a user. ERR_FULL, ERR_OUTCOME_UNKNOWN,
     * ERR_UNAVAILABLE: the other members mean nothing */
    err_code code;
    char detail[ERR_TEXT_MAX]; /* text if code is not ERR_OK */
    /* seq of this op, or of the last applied op if this one was refused */
    uint64_t seq;
    uint32_t accepted;    /* entries */
    apply_entry *entries; /* (entry_count) */
    uint32_t entry_count;
    change_list changes; /* empty if the op was refused or replayed */
    apply_receipt receipt;
    bool dropped; /* its message had been applied before; `code` is ERR_CONFLICT */
    /* the same key and body were used before; `status` and `body` are the stored answer */
    bool replayed;
    uint16_t status; /* from op_render, now or at the first time */
    slice body;
    arena memory; /* owns what this struct points to */
} apply_result;

enum { APPLY_RESULT_BYTES_MAX = 512 * 1024 * 1024 };

/* apply_result_init prepares a result. apply_result_fini frees what it points to. */
void apply_result_init(apply_result *r);
void apply_result_fini(apply_result *r);

/* apply_group applies `count` ops in order, in one transaction, and commits with one fsync. If the
 * group does not fit (ERR_FULL), it is aborted and each op is tried alone, so that only ops that do
 * not fit are refused. results[i] belongs to ops[i]; the caller owns both. It returns ERR_OK if
 * each op has a result, also refused ones. Any other code (ERR_OUTCOME_UNKNOWN, ERR_UNAVAILABLE,
 * ERR_CORRUPT, ERR_IO, ERR_NOMEM) is also in every result. Blocks for the fsync. Ops must have
 * passed op_check or the API's checks. */
err_code apply_group(store *s, const op *const *ops, size_t count, apply_result *results,
                     err *e) ERR_CHECKED;

/* A publisher is an incarnation of a node. The first PUBLISHER_NODE_BYTES identify the node. */
enum { PUBLISHER_BYTES = 16, PUBLISHER_NODE_BYTES = 8, PUBLISHER_WINDOW = 64 };

/* One message of an external log: ops that were published together. */
typedef struct apply_message {
    /* (PUBLISHER_BYTES) the incarnation that numbered it. NULL: none, and repeats are not dropped;
     * this is refused once the store has a position */
    const unsigned char *publisher;
    uint64_t number; /* from 1; at most PUBLISHER_WINDOW are in flight */
    /* position in the log after the message, up to EXTERNAL_POSITION_MAX bytes; absent:
     * unchanged */
    slice position;
    const op *const *ops; /* (count) */
    size_t count;
} apply_message;

/* apply_messages applies messages of an external log in order, in one transaction with their
 * positions. `results` has one entry for each op of each message. A message that was applied before
 * is dropped, and its results say so. The quota is not checked. On ERR_FULL or any other failure
 * the store stays as it was before all of these messages, and ops are not tried alone: the caller
 * stops applying, because skipping a message would make this node differ from the others. */
err_code apply_messages(store *s, const apply_message *messages, size_t count,
                        apply_result *results, err *e) ERR_CHECKED;

/* apply_admit refuses an op with ERR_FULL if the quota, or its reserve for deletions, has no room
 * for it beside `pending` bytes of ops that are admitted but not yet applied. *bytes is what the op
 * may take. It is for ops that go through an external log, before they are published. */
err_code apply_admit(store *s, const op *o, uint64_t pending, uint64_t *bytes, err *e) ERR_CHECKED;

/* apply_one is apply_group for one op. It returns the result's code. */
err_code apply_one(store *s, const op *o, apply_result *result, err *e) ERR_CHECKED;

#endif
