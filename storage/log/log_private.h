/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_private: what the files of storage/log share: the op being applied, its results and changes,
 * and the stored form of log entries and idempotency records. Internal to storage/ and its tests.
 *
 * An err_code returned here means that the transaction cannot go on. A refused entry is recorded in
 * its apply_entry and returns ERR_OK.
 */
#ifndef STORAGE_LOG_PRIVATE_H
#define STORAGE_LOG_PRIVATE_H

#include "storage/env/codec.h"
#include "storage/env/schema.h"
#include "storage/log/apply.h"
#include "storage/log/oplog.h"

typedef struct applying {
    store_write *w;
    store_read *r; /* lent by w */
    const op *o;
    apply_result *result;
    uint64_t seq; /* the seq that the op gets if any entry is accepted */
    change *changes;
    size_t change_count, change_room;
    uint32_t *users; /* rows of the users concerned, for the idempotency record; may repeat */
    uint32_t user_count;
    encoder scratch;
} applying;

/* apply_op applies an op in the transaction `w` and fills its result, which is empty before. */
err_code apply_op(store_write *w, const op *o, apply_result *result, err *e) ERR_CHECKED;

/* apply_change appends a zeroed change, valid until the next one. It returns NULL if memory runs
 * out. */
change *apply_change(applying *x);

/* apply_refuse records why an entry is refused. It returns ERR_OK or ERR_NOMEM. */
err_code apply_refuse(applying *x, uint32_t index, err_code code, const char *field,
                      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* apply_refuse_as takes code and text from `why`. It returns codes that end the transaction. */
err_code apply_refuse_as(applying *x, uint32_t index, const char *field, const err *why, err *e);

err_code apply_items(applying *x, err *e) ERR_CHECKED;
err_code apply_encoded(applying *x, err *e) ERR_CHECKED;
err_code apply_interactions(applying *x, err *e) ERR_CHECKED;
err_code apply_erase(applying *x, err *e) ERR_CHECKED;
/* apply_generation applies the kinds that op_about_generations lists. None of them changes data. */
err_code apply_generation(applying *x, err *e) ERR_CHECKED;

/* apply_type finds or registers an interaction type, and reports a new one. */
err_code apply_type(applying *x, slice name, uint8_t *number, err *e) ERR_CHECKED;

/* --- the kinds of op --- */

/* These tell what the entries of an op are about. An erasure has no entries, so none of them is
 * true of it. */
static inline bool op_about_items(op_kind kind)
{
    return (kind >= OP_ITEMS_CREATE && kind <= OP_ITEMS_DELETE) || kind == OP_ITEMS_ENCODED;
}

static inline bool op_about_interactions(op_kind kind)
{
    return kind == OP_INTERACTIONS_ADD || kind == OP_INTERACTIONS_REMOVE;
}

static inline bool op_about_generations(op_kind kind)
{
    return kind == OP_GENERATION_ACTIVATE || kind == OP_GENERATION_REGISTER ||
           kind == OP_GENERATION_PRUNE;
}

/* --- the log and the idempotency records --- */

/* op_write appends an op's encoding. */
void op_write(const op *o, encoder *x);

void oplog_encode(const oplog_entry *entry, encoder *x);
err_code oplog_decode(oplog_entry *out, uint64_t seq, slice bytes, err *e) ERR_CHECKED;

typedef struct idempotency_record {
    int64_t time;               /* the expiry clock when the answer was stored, epoch seconds */
    const unsigned char *hash;  /* (IDEMPOTENCY_HASH_BYTES) */
    const unsigned char *users; /* (user_count) rows, u32 big-endian, ascending */
    uint32_t user_count;
    uint64_t seq;
    uint16_t status;
    slice body; /* absent if an erasure emptied it */
} idempotency_record;

void idempotency_encode(const idempotency_record *record, encoder *x);
err_code idempotency_decode(idempotency_record *out, slice bytes, err *e) ERR_CHECKED;

err_code oplog_put(store_write *w, const oplog_entry *entry, encoder *scratch, err *e) ERR_CHECKED;
/* oplog_trim removes entries beyond the limits, in a group of `ops`: a few more than the group
 * adds, so that it stays quick. oplog_cut keeps only a small part of the log, for a store that is
 * full; *cut tells whether it removed anything. The newest entry always stays. */
err_code oplog_trim(store_write *w, size_t ops, err *e) ERR_CHECKED;
err_code oplog_cut(store_write *w, bool *cut, err *e) ERR_CHECKED;
/* oplog_redact removes a user from every entry. *changed counts the changed entries. */
err_code oplog_redact(store_write *w, slice user, uint32_t *changed, err *e) ERR_CHECKED;

err_code idempotency_get(store_read *r, slice key, arena *a, idempotency_record *out,
                         err *e) ERR_CHECKED;
err_code idempotency_put(store_write *w, slice key, const idempotency_record *record,
                         encoder *scratch, err *e) ERR_CHECKED;
/* idempotency_trim removes a bounded number of records that have expired by the store's clock. */
err_code idempotency_trim(store_write *w, err *e) ERR_CHECKED;

/* idempotency_clock returns the expiry clock after an op of this time. idempotency_expired tells
 * whether a record stored when the clock was `kept` has expired for an op of this time. */
int64_t idempotency_clock(int64_t previous, int64_t time);
bool idempotency_expired(int64_t clock, int64_t time, int64_t kept);

/* publisher_note records a message that is about to be applied, and sets how far its ops may move
 * the expiry clock (w->time_most). *repeat: the message was applied before, and must not be applied
 * again. */
err_code publisher_note(store_write *w, const apply_message *m, bool *repeat, err *e) ERR_CHECKED;

typedef struct publisher_record {
    uint64_t last;   /* the highest number applied */
    uint64_t window; /* bit i: number last - i was applied */
    int64_t clock;   /* the expiry clock at that time */
    int64_t time;    /* the latest of the publisher's ops */
} publisher_record;

void publisher_encode(const publisher_record *record, encoder *x);
err_code publisher_decode(publisher_record *out, slice bytes, err *e) ERR_CHECKED;

err_code idempotency_redact(store_write *w, uint32_t user_row, slice user, uint32_t *changed,
                            err *e) ERR_CHECKED;

/* idempotency_quote writes an id as the JSON string that it is in an answer. It returns the
 * length. */
size_t idempotency_quote(slice id, char out[2 * ID_BYTES_MAX + 2]);

#endif
