/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/digest.h"

#include <string.h>

#include "storage/env/schema.h"
#include "storage/log/log_private.h"

enum { ASK_EVERY = 4096 };

typedef struct digesting {
    store_read *r;
    checksum128 *sum;
    store_state state;
    store_digest *out;
    bool (*cancelled)(void *ctx);
    void *ctx;
} digesting;

/* add hashes the length of some bytes and then the bytes, so that different contents never give the
 * same input. */
static void add(digesting *d, slice bytes)
{
    unsigned char length[4];
    put_be32(length, (uint32_t)bytes.length);
    checksum128_add(d->sum, length, sizeof length);
    checksum128_add(d->sum, bytes.at, bytes.length);
}

static void add_record(digesting *d, slice key, slice value)
{
    add(d, key);
    add(d, value);
}

/* add_kept hashes a stored answer without its body, unless the key has expired. */
static err_code add_kept(digesting *d, slice key, slice value, err *e)
{
    idempotency_record record;
    unsigned char times[8 + 8 + 2 + 1];
    err_code code = idempotency_decode(&record, value, e);
    if (code != ERR_OK || d->state.clock - record.time >= IDEMPOTENCY_SECONDS) {
        return code;
    }
    put_be64(times, (uint64_t)record.time);
    put_be64(times + 8, record.seq);
    times[16] = (unsigned char)(record.status >> 8);
    times[17] = (unsigned char)record.status;
    times[18] = record.body.at != NULL;
    add(d, key);
    add(d, (slice){(const char *)times, sizeof times});
    add(d, (slice){(const char *)record.hash, IDEMPOTENCY_HASH_BYTES});
    add(d, (slice){(const char *)record.users, (size_t)record.user_count * 4});
    return ERR_OK;
}

static err_code add_database(digesting *d, store_db db, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_open(d->r->txn, d->r->owner->dbi[db], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading the content", e);
    }
    err_code code = ERR_OK;
    uint64_t seen = 0;
    add(d, slice_of(schema_db_name(db)));
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && code == ERR_OK) {
        if (db == DB_IDEMPOTENCY) {
            code = add_kept(d, slice_of_val(k), slice_of_val(v), e);
        } else {
            add_record(d, slice_of_val(k), slice_of_val(v));
        }
        if (++seen % ASK_EVERY == 0 && d->cancelled != NULL && d->cancelled(d->ctx)) {
            code = err_set(e, ERR_CANCELLED, "stopped");
        }
        rc = code == ERR_OK ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    d->out->records += seen;
    return code != ERR_OK || rc == MDB_NOTFOUND ? code : schema_error(rc, "reading the content", e);
}

static err_code add_all(digesting *d, err *e)
{
    static const store_db content[] = {DB_MODALITIES, DB_TYPES,       DB_ITEMS,     DB_ITEM_IDS,
                                       DB_GONE_IDS,   DB_USERS,       DB_USER_IDS,  DB_FEATURES,
                                       DB_BY_USER,    DB_IDEMPOTENCY, DB_PUBLISHERS};
    unsigned char numbers[8 + 8 + 4 + 4];
    const store_info *info = &d->state.info;
    put_be64(numbers, info->seq);
    put_be64(numbers + 8, (uint64_t)d->state.clock);
    put_be32(numbers + 16, info->user_rows);
    put_be32(numbers + 20, info->item_rows);
    add(d, (slice){(const char *)numbers, sizeof numbers});
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < sizeof content / sizeof content[0]; i++) {
        code = add_database(d, content[i], e);
    }
    return code;
}

err_code digest_read(store *s, bool (*cancelled)(void *ctx), void *ctx, store_digest *out, err *e)
{
    digesting d = {.out = out, .cancelled = cancelled, .ctx = ctx};
    memset(out, 0, sizeof *out);
    d.sum = checksum128_new();
    if (d.sum == NULL) {
        return err_nomem(e, "the digest");
    }
    err_code code = store_read_begin(s, &d.r, e);
    if (code == ERR_OK) {
        code = state_read(d.r, &d.state, e);
    }
    if (code == ERR_OK) {
        code = add_all(&d, e);
    }
    store_read_end(d.r);
    if (code == ERR_OK) {
        memcpy(out->position, d.state.info.external, EXTERNAL_POSITION_MAX);
        out->seq = d.state.info.seq;
        checksum128_text(d.sum, out->hash);
    }
    checksum128_free(d.sum);
    return code;
}
