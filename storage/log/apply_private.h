/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply_private: what the files of apply share: the op under way, its results and its changes.
 * Internal to storage/log/apply*.c and storage/log/erase.c.
 *
 * Inside, an err_code means "the transaction cannot go on"; a refused entry is recorded in its
 * apply_entry and is ERR_OK.
 */
#ifndef STORAGE_APPLY_PRIVATE_H
#define STORAGE_APPLY_PRIVATE_H

#include "storage/env/schema.h"
#include "storage/log/apply.h"
#include "storage/records/records.h"

typedef struct applying {
    store_write *w;
    store_read *r; /* lent by w */
    const op *o;
    apply_result *result;
    uint64_t seq; /* that the op gets if anything of it is accepted */
    change *changes;
    size_t change_count, change_room;
    uint32_t *users; /* rows touched, for the idempotency record; may repeat */
    uint32_t user_count;
    encoder scratch;
} applying;

/* apply_change appends a zeroed change; NULL without memory. Valid until the next one. */
change *apply_change(applying *x);

/* apply_refuse records why an entry is refused; returns ERR_OK, or ERR_NOMEM. */
err_code apply_refuse(applying *x, uint32_t index, err_code code, const char *field,
                      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* apply_refuse_as takes code and text from `why`. Codes that end the transaction are returned. */
err_code apply_refuse_as(applying *x, uint32_t index, const char *field, const err *why, err *e);

err_code apply_items(applying *x, err *e) ERR_CHECKED;
err_code apply_interactions(applying *x, err *e) ERR_CHECKED;
err_code apply_erase(applying *x, err *e) ERR_CHECKED;

/* apply_type finds or registers an interaction type and reports a new one. */
err_code apply_type(applying *x, slice name, uint8_t *number, err *e) ERR_CHECKED;

/* --- the log and the idempotency records --- */

err_code oplog_put(store_write *w, const oplog_entry *entry, encoder *scratch, err *e) ERR_CHECKED;
/* oplog_trim removes at most a few entries beyond the limits. */
err_code oplog_trim(store_write *w, int64_t now, err *e) ERR_CHECKED;
/* oplog_redact takes a user out of every entry; *changed counts them. */
err_code oplog_redact(store_write *w, slice user, uint32_t *changed, err *e) ERR_CHECKED;

err_code idempotency_get(store_read *r, slice key, arena *a, idempotency_record *out,
                         err *e) ERR_CHECKED;
err_code idempotency_put(store_write *w, slice key, const idempotency_record *record,
                         encoder *scratch, err *e) ERR_CHECKED;
err_code idempotency_trim(store_write *w, int64_t now, err *e) ERR_CHECKED;
err_code idempotency_redact(store_write *w, uint32_t user_row, slice user, uint32_t *changed,
                            err *e) ERR_CHECKED;

/* idempotency_quote writes an id as the string that it is in an answer; returns its length. */
size_t idempotency_quote(slice id, char out[2 * ID_BYTES_MAX + 2]);

/* generations_settle takes back the wish to be activated from every generation up to `number`, so
 * that a roll-back is not undone at the next start. */
err_code generations_settle(store_write *w, uint32_t number, err *e) ERR_CHECKED;

/* generations_erase_user zeroes the user's row in every blob of every generation. */
err_code generations_erase_user(store_write *w, uint32_t row, uint32_t *generations,
                                err *e) ERR_CHECKED;

#endif
