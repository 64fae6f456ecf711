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
    APPLY_CREATED,     /* an item or interaction that was not there */
    APPLY_UPDATED,     /* an item replaced or patched; a repeat of an interaction */
    APPLY_REMOVED,
} apply_outcome;

typedef struct apply_entry {
    err_code code; /* ERR_OK, ERR_CONFLICT, ERR_NOT_FOUND, ERR_INVALID, ERR_TOO_LARGE */
    apply_outcome outcome;
    uint32_t row;        /* of the item, if known, else ROW_NONE */
    uint32_t user_row;   /* of the user, for interactions */
    uint32_t removed;    /* interactions that a removal took away; generations by a prune */
    uint32_t generation; /* the number that a registration gave out */
    const char *detail;  /* for people, lower case; NULL if code is ERR_OK */
    slice field;         /* what the detail is about, as a JSON pointer below the entry:
                            "/features/text", "/item"; absent: the entry as a whole */
} apply_entry;

/* What OP_USER_ERASE took away. */
typedef struct apply_receipt {
    uint64_t interactions;
    uint32_t generations; /* registered ones that have a row of the user */
    uint32_t log_entries; /* of the op log that were rewritten without the user */
    uint32_t idempotency; /* answers kept for repeats that were emptied */
    bool checkpoint;      /* a training checkpoint was removed */
    bool training;        /* a training runs; its result will drop the user when it ends */
} apply_receipt;

typedef struct apply_result {
    err_code code; /* of the op: ERR_OK if any entry was accepted; else what the entries share, or
                      ERR_INVALID; ERR_UNPROCESSABLE: the key was used with another body, or
                      ERR_NOT_FOUND: its answer went with an erased user (no entries then);
                      ERR_FULL, ERR_OUTCOME_UNKNOWN, ERR_UNAVAILABLE: nothing to rely on */
    char detail[ERR_TEXT_MAX]; /* if code is not ERR_OK */
    uint64_t seq;              /* of this op; if it was refused, the last one applied */
    uint32_t accepted;         /* entries */
    apply_entry *entries;      /* (entry_count) */
    uint32_t entry_count;
    change_list changes; /* empty if refused or replayed */
    apply_receipt receipt;
    bool dropped;    /* its message was applied before; `code` is ERR_CONFLICT */
    bool replayed;   /* the same key and body came before: `status` and `body` are the answer */
    uint16_t status; /* what op_render said, now or then */
    slice body;
    arena memory; /* owns what this struct points at */
} apply_result;

enum { APPLY_RESULT_BYTES_MAX = 512 * 1024 * 1024 };

/* apply_result_init prepares one result; fini frees what it points at. */
void apply_result_init(apply_result *r);
void apply_result_fini(apply_result *r);

/* apply_group applies `count` ops in order in one transaction and commits it with one fsync. Where
 * the group does not fit (ERR_FULL), it is aborted and each op is tried alone, so that only those
 * that do not fit are refused. results[i] belongs to ops[i]; both stay the caller's. Returns
 * ERR_OK if each op has its result (refused ones too); anything else (ERR_OUTCOME_UNKNOWN,
 * ERR_UNAVAILABLE, ERR_CORRUPT, ERR_IO, ERR_NOMEM) is also in every result's code. Blocks for the
 * fsync. Ops must have passed op_check or the API's checks. */
err_code apply_group(store *s, const op *const *ops, size_t count, apply_result *results,
                     err *e) ERR_CHECKED;

/* A publisher's first bytes name its node, the rest its incarnation. */
enum { PUBLISHER_BYTES = 16, PUBLISHER_NODE_BYTES = 8, PUBLISHER_WINDOW = 64 };

/* One message of an external log: ops that were published together. */
typedef struct apply_message {
    const unsigned char *publisher; /* (PUBLISHER_BYTES) the incarnation that numbered it; NULL:
                                       none, and nothing is dropped as a repeat;
                                       refused once the store has a position */
    uint64_t number;                /* from 1 on; at most PUBLISHER_WINDOW in flight */
    slice position;                 /* of the log after the message, up to EXTERNAL_POSITION_MAX
                                       bytes; absent: stays */
    const op *const *ops;           /* (count) */
    size_t count;
} apply_message;

/* apply_messages applies messages of an external log in order, in one transaction with their
 * positions. `results` has one entry for each op of each message. A message that was applied before
 * is dropped: its results say `dropped`. No quota is asked, and nothing is tried alone: ERR_FULL
 * or any other failure leaves the store as it was before all of these messages, and the caller
 * stops applying, as skipping one would part this node from the others. */
err_code apply_messages(store *s, const apply_message *messages, size_t count,
                        apply_result *results, err *e) ERR_CHECKED;

/* apply_admit refuses an op with ERR_FULL for which the quota, or its reserve for deletions, has no
 * room beside `pending` bytes of ops that were admitted and are not applied yet. *bytes is what the
 * op may take. For ops that go through an external log: asked before they are published. */
err_code apply_admit(store *s, const op *o, uint64_t pending, uint64_t *bytes, err *e) ERR_CHECKED;

/* apply_one is apply_group for one op; returns the result's code. */
err_code apply_one(store *s, const op *o, apply_result *result, err *e) ERR_CHECKED;

#endif
