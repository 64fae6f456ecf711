/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/env/schema.h"

#include <errno.h>
#include <string.h>

#include "storage/env/codec.h"

err_code schema_error(int rc, const char *what, err *e)
{
    switch (rc) {
    case MDB_SUCCESS: return ERR_OK;
    case MDB_MAP_FULL: return err_set(e, ERR_FULL, "%s: the store's quota is used up", what);
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return err_set(e, ERR_FULL, "%s: no room on the disk: %s", what, strerror(rc));
    case MDB_TXN_FULL: return err_set(e, ERR_FULL, "%s: the transaction is too large", what);
    case ENOMEM: return err_nomem(e, what);
    case MDB_READERS_FULL:
        return err_set(e, ERR_UNAVAILABLE, "%s: all reader slots are taken", what);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return err_set(e, ERR_CORRUPT, "%s: data.mdb is damaged: %s", what, mdb_strerror(rc));
    case MDB_PANIC:
        return err_set(e, ERR_OUTCOME_UNKNOWN, "%s: an earlier commit failed half-way", what);
    default: return err_set(e, ERR_IO, "%s: %s", what, mdb_strerror(rc));
    }
}

err_code schema_get(store_read *r, store_db db, slice key, slice *value, err *e)
{
    MDB_val k = val_of(key.at, key.length);
    MDB_val v = {0, NULL};
    int rc = mdb_get(r->txn, r->owner->dbi[db], &k, &v);
    if (rc == MDB_NOTFOUND) {
        return ERR_NOT_FOUND;
    }
    if (rc != 0) {
        return schema_error(rc, "reading a record", e);
    }
    *value = slice_of_val(v);
    return ERR_OK;
}

/* A copy of a key, which LMDB cannot change under the write (schema_put). */
typedef struct own_key {
    char bytes[SCHEMA_KEY_BYTES_MAX];
    MDB_val val;
} own_key;

static int copy_key(own_key *copy, slice key)
{
    if (key.length == 0 || key.length > sizeof copy->bytes) {
        return MDB_BAD_VALSIZE;
    }
    memcpy(copy->bytes, key.at, key.length);
    copy->val = val_of(copy->bytes, key.length);
    return 0;
}

err_code schema_put(store_write *w, store_db db, slice key, slice value, err *e)
{
    own_key k;
    MDB_val v = val_of(value.at, value.length);
    int rc = copy_key(&k, key);
    rc = rc == 0 ? mdb_put(w->txn, w->owner->dbi[db], &k.val, &v, 0) : rc;
    return rc == 0 ? ERR_OK : schema_error(rc, "writing a record", e);
}

err_code schema_reserve(store_write *w, store_db db, slice key, size_t bytes, unsigned char **at,
                        err *e)
{
    own_key k;
    MDB_val v = {bytes, NULL};
    int rc = copy_key(&k, key);
    rc = rc == 0 ? mdb_put(w->txn, w->owner->dbi[db], &k.val, &v, MDB_RESERVE) : rc;
    *at = rc == 0 ? v.mv_data : NULL;
    return rc == 0 ? ERR_OK : schema_error(rc, "writing a record", e);
}

err_code schema_append(store_write *w, store_db db, slice key, slice value, err *e)
{
    own_key k;
    MDB_val v = val_of(value.at, value.length);
    bool sides = db == DB_BY_USER || db == DB_BY_ITEM;
    int rc = copy_key(&k, key);
    rc = rc == 0
             ? mdb_put(w->txn, w->owner->dbi[db], &k.val, &v, sides ? MDB_APPENDDUP : MDB_APPEND)
             : rc;
    return rc == 0 ? ERR_OK : schema_error(rc, "writing a record", e);
}

int schema_cursor_put(MDB_cursor *cursor, slice key, slice value, unsigned flags)
{
    own_key k;
    MDB_val v = val_of(value.at, value.length);
    int rc = copy_key(&k, key);
    return rc == 0 ? mdb_cursor_put(cursor, &k.val, &v, flags) : rc;
}

err_code schema_delete(store_write *w, store_db db, slice key, err *e)
{
    MDB_val k = val_of(key.at, key.length);
    int rc = mdb_del(w->txn, w->owner->dbi[db], &k, NULL);
    if (rc == MDB_NOTFOUND) {
        return ERR_NOT_FOUND;
    }
    return rc == 0 ? ERR_OK : schema_error(rc, "deleting a record", e);
}

err_code record_each(store_read *r, store_db db, uint32_t first, record_visit visit, void *ctx,
                     err *e)
{
    MDB_cursor *cursor = NULL;
    unsigned char key[4];
    put_be32(key, first);
    MDB_val k = val_of(key, sizeof key), v = {0, NULL};
    int rc = mdb_cursor_open(r->txn, r->owner->dbi[db], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading records", e);
    }
    err_code code = ERR_OK;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (rc == 0 && code == ERR_OK) {
        code = k.mv_size == 4 ? visit(ctx, get_be32(k.mv_data), slice_of_val(v), e)
                              : err_set(e, ERR_CORRUPT, "a row key of %zu bytes", k.mv_size);
        if (code == ERR_OK) {
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    if (code == ERR_CANCELLED) {
        return ERR_OK;
    }
    return code != ERR_OK || rc == MDB_NOTFOUND ? code : schema_error(rc, "reading records", e);
}

/* state_encode builds the state on the stack, without an encoder, because every commit writes
 * it. */
void state_encode(const store_state *state, unsigned char out[STATE_RECORD_BYTES])
{
    const store_info *info = &state->info;
    unsigned char *at = out;
    put_le(&at, STATE_RECORD_VERSION, 1);
    memcpy(at, info->lineage, LINEAGE_BYTES);
    at += LINEAGE_BYTES;
    put_le(&at, info->seq, 8);
    put_le(&at, info->user_rows, 4);
    put_le(&at, info->item_rows, 4);
    put_le(&at, info->users, 8);
    put_le(&at, info->items, 8);
    put_le(&at, info->interactions, 8);
    put_le(&at, info->generation, 4);
    put_le(&at, info->erased_seq, 8);
    put_le(&at, info->data_seq, 8);
    put_le(&at, state->next_generation, 4);
    put_le(&at, state->oplog_bytes, 8);
    put_le(&at, (uint64_t)state->clock, 8);
    put_le(&at, state->snapshot, 1);
    memcpy(at, info->external, EXTERNAL_POSITION_MAX); /* padded with zeroes */
    seal_put(out, STATE_RECORD_BYTES - SEAL_BYTES);
}

err_code state_decode(store_state *out, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, STATE_RECORD_VERSION, "the store's state", e);
    if (code != ERR_OK) {
        return code;
    }
    decode_into(&d, out->info.lineage, LINEAGE_BYTES);
    out->info.seq = decode_u64(&d);
    out->info.user_rows = decode_u32(&d);
    out->info.item_rows = decode_u32(&d);
    out->info.users = decode_u64(&d);
    out->info.items = decode_u64(&d);
    out->info.interactions = decode_u64(&d);
    out->info.generation = decode_u32(&d);
    out->info.erased_seq = decode_u64(&d);
    out->info.data_seq = decode_u64(&d);
    out->next_generation = decode_u32(&d);
    out->oplog_bytes = decode_u64(&d);
    out->clock = decode_i64(&d);
    out->snapshot = decode_u8(&d) != 0;
    decode_into(&d, out->info.external, EXTERNAL_POSITION_MAX);
    return decoder_check(&d, "the store's state", e);
}
