/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idempotency: keeps the answer to each Idempotency-Key for a day, for repeats of the request.
 *
 * Keys expire by a replicated clock. Each op moves the clock to the op's own time, but never back,
 * and at most a day forward. A key expires when a day has passed both by that clock and by the time
 * of the op that repeats it, so all nodes expire the same keys. A record is removed after two days
 * of the clock, so one write whose clock is years ahead removes no answer that is younger than a
 * day.
 *
 * A second database sorts the keys by time, so that expiry reads only expired keys. A record lists
 * the rows of the users that its request concerned: when one of them is erased, the answer is
 * emptied and the key stays, so that a late repeat does not bring the user back.
 */
#include <string.h>

#include "storage/log/log_private.h"
#include "storage/records/records.h"

enum { IDEMPOTENCY_TRIM_MAX = 256, IDEMPOTENCY_BODY_MAX = 64 * 1024 * 1024 };

void idempotency_encode(const idempotency_record *record, encoder *x)
{
    encode_u8(x, IDEMPOTENCY_RECORD_VERSION);
    encode_i64(x, record->time);
    encode_bytes(x, record->hash, IDEMPOTENCY_HASH_BYTES);
    encode_u64(x, record->seq);
    encode_u16(x, record->status);
    encode_u32(x, record->user_count);
    encode_bytes(x, record->users, (size_t)record->user_count * 4);
    encode_slice(x, record->body);
    encode_seal(x);
}

err_code idempotency_decode(idempotency_record *out, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, IDEMPOTENCY_RECORD_VERSION, "idempotency record", e);
    if (code != ERR_OK) {
        return code;
    }
    out->time = decode_i64(&d);
    out->hash = decode_bytes(&d, IDEMPOTENCY_HASH_BYTES);
    out->seq = decode_u64(&d);
    out->status = decode_u16(&d);
    out->user_count = decode_count(&d, OP_ENTRIES_MAX, 4);
    out->users = decode_bytes(&d, (size_t)out->user_count * 4);
    out->body = decode_slice(&d, IDEMPOTENCY_BODY_MAX);
    return decoder_check(&d, "idempotency record", e);
}

err_code idempotency_get(store_read *r, slice key, arena *a, idempotency_record *out, err *e)
{
    slice value;
    err_code code = schema_get(r, DB_IDEMPOTENCY, key, &value, e);
    if (code != ERR_OK) {
        return code;
    }
    slice copy = arena_slice(a, value);
    return copy.at != NULL ? idempotency_decode(out, copy, e)
                           : err_nomem(e, "an idempotency record");
}

static slice time_key(unsigned char out[8 + IDEMPOTENCY_KEY_BYTES_MAX], int64_t time, slice key)
{
    put_be64(out, (uint64_t)time);
    memcpy(out + 8, key.at, key.length);
    return (slice){(const char *)out, 8 + key.length};
}

static err_code forget_time(store_write *w, slice key, err *e)
{
    unsigned char times[8 + IDEMPOTENCY_KEY_BYTES_MAX];
    idempotency_record old;
    slice value;
    err_code code = schema_get(&w->reads, DB_IDEMPOTENCY, key, &value, e);
    if (code == ERR_OK) {
        code = idempotency_decode(&old, value, e);
    }
    if (code == ERR_OK) {
        code = schema_delete(w, DB_IDEM_TIMES, time_key(times, old.time, key), e);
    }
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

err_code idempotency_put(store_write *w, slice key, const idempotency_record *record,
                         encoder *scratch, err *e)
{
    unsigned char times[8 + IDEMPOTENCY_KEY_BYTES_MAX];
    slice nothing = {"", 0};
    if (key.length == 0 || key.length > IDEMPOTENCY_KEY_BYTES_MAX) {
        return err_set(e, ERR_INTERNAL, "an Idempotency-Key of %zu bytes", key.length);
    }
    encoder_clear(scratch);
    idempotency_encode(record, scratch);
    err_code code = encoder_check(scratch, "idempotency record", e);
    if (code == ERR_OK) {
        code = forget_time(w, key, e);
    }
    if (code == ERR_OK) {
        code = schema_put(w, DB_IDEMPOTENCY, key, encoder_slice(scratch), e);
    }
    slice by_time = time_key(times, record->time, key);
    return code == ERR_OK ? schema_put(w, DB_IDEM_TIMES, by_time, nothing, e) : code;
}

int64_t idempotency_clock(int64_t previous, int64_t time)
{
    if (previous == 0) {
        return time; /* this is the store's first op */
    }
    int64_t most = previous + IDEMPOTENCY_SECONDS;
    int64_t next = time < most ? time : most;
    return next > previous ? next : previous;
}

bool idempotency_expired(int64_t clock, int64_t time, int64_t kept)
{
    return clock - kept >= IDEMPOTENCY_SECONDS && time - kept >= IDEMPOTENCY_SECONDS;
}

err_code idempotency_trim(store_write *w, err *e)
{
    int64_t now = w->state.clock;
    for (int i = 0; i < IDEMPOTENCY_TRIM_MAX; i++) {
        MDB_cursor *cursor = NULL;
        MDB_val k = {0, NULL}, v = {0, NULL};
        int rc = mdb_cursor_open(w->txn, w->owner->dbi[DB_IDEM_TIMES], &cursor);
        if (rc == 0) {
            rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
        }
        bool expired = rc == 0 && k.mv_size > 8 &&
                       now - (int64_t)get_be64(k.mv_data) >= 2 * IDEMPOTENCY_SECONDS;
        err_code code = ERR_OK;
        if (expired) {
            /* LMDB may move the page with the key while the other database is written. */
            char copy[IDEMPOTENCY_KEY_BYTES_MAX];
            slice key = {copy, k.mv_size - 8 < sizeof copy ? k.mv_size - 8 : sizeof copy};
            memcpy(copy, (const char *)k.mv_data + 8, key.length);
            code = schema_delete(w, DB_IDEMPOTENCY, key, e);
            code = code == ERR_NOT_FOUND ? ERR_OK : code;
            rc = code == ERR_OK ? mdb_cursor_del(cursor, 0) : 0;
        }
        if (cursor != NULL) {
            mdb_cursor_close(cursor);
        }
        if (code != ERR_OK) {
            return code;
        }
        if (rc != 0 && rc != MDB_NOTFOUND) {
            return schema_error(rc, "expiring idempotency records", e);
        }
        if (!expired) {
            break;
        }
    }
    return ERR_OK;
}

static bool lists(const idempotency_record *record, uint32_t user_row)
{
    for (uint32_t i = 0; i < record->user_count; i++) {
        if (get_be32(record->users + (size_t)4 * i) == user_row) {
            return true;
        }
    }
    return false;
}

size_t idempotency_quote(slice id, char out[2 * ID_BYTES_MAX + 2])
{
    size_t length = 0;
    out[length++] = '"';
    for (size_t i = 0; i < id.length && i < ID_BYTES_MAX; i++) {
        if (id.at[i] == '"' || id.at[i] == '\\') {
            out[length++] = '\\';
        }
        out[length++] = id.at[i];
    }
    out[length++] = '"';
    return length;
}

/* mentions tells whether a record concerns the user: it lists the user's row, or its answer
 * contains the id. A refused entry may have named the user before the user had a row. */
static bool mentions(const idempotency_record *record, uint32_t user_row, slice user)
{
    char needle[2 * ID_BYTES_MAX + 2];
    return lists(record, user_row) ||
           (record->body.length > 0 && memmem(record->body.at, record->body.length, needle,
                                              idempotency_quote(user, needle)) != NULL);
}

err_code idempotency_redact(store_write *w, uint32_t user_row, slice user, uint32_t *changed,
                            err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    encoder x;
    *changed = 0;
    int rc = mdb_cursor_open(w->txn, w->owner->dbi[DB_IDEMPOTENCY], &cursor);
    if (rc != 0) {
        return schema_error(rc, "erasing from the idempotency records", e);
    }
    err_code code = ERR_OK;
    encoder_init(&x, IDEMPOTENCY_BODY_MAX);
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && code == ERR_OK) {
        idempotency_record record;
        code = idempotency_decode(&record, slice_of_val(v), e);
        if (code == ERR_OK && mentions(&record, user_row, user)) {
            record.user_count = 0;
            record.users = NULL;
            record.body = (slice){NULL, 0};
            encoder_clear(&x);
            idempotency_encode(&record, &x);
            code = encoder_check(&x, "idempotency record", e);
            rc = code == ERR_OK
                     ? schema_cursor_put(cursor, slice_of_val(k), encoder_slice(&x), MDB_CURRENT)
                     : 0;
            (*changed)++;
        }
        rc = code == ERR_OK && rc == 0 ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    encoder_fini(&x);
    return code != ERR_OK || rc == MDB_NOTFOUND
               ? code
               : schema_error(rc, "erasing from the idempotency records", e);
}
