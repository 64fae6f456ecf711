/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/log/oplog.h"

#include <string.h>

#include "storage/log/log_private.h"
#include "storage/records/records.h"

enum {
    OPLOG_BYTES_DEFAULT = OPLOG_MIB * 1024 * 1024,
    OPLOG_SECONDS_DEFAULT = OPLOG_DAYS * 24 * 60 * 60,
    OPLOG_TRIM_MORE = 64,
    OPLOG_CUT_MAX = 4096, /* entries that one oplog_cut removes, at most */
};

void oplog_encode(const oplog_entry *entry, encoder *x)
{
    encode_u8(x, OPLOG_RECORD_VERSION);
    encode_u8(x, entry->redacted);
    encode_i64(x, entry->time);
    encode_u32(x, entry->user_rows);
    encode_u32(x, entry->item_rows);
    encode_slice(x, entry->op);
    encode_seal(x);
}

err_code oplog_decode(oplog_entry *out, uint64_t seq, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, OPLOG_RECORD_VERSION, "log entry", e);
    if (code != ERR_OK) {
        return code;
    }
    out->seq = seq;
    out->redacted = decode_u8(&d) != 0;
    out->time = decode_i64(&d);
    out->user_rows = decode_u32(&d);
    out->item_rows = decode_u32(&d);
    out->op = decode_slice(&d, OP_BYTES_MAX);
    if (out->op.at == NULL) {
        d.failed = true;
    }
    return decoder_check(&d, "log entry", e);
}

static slice seq_key(unsigned char key[8], uint64_t seq)
{
    put_be64(key, seq);
    return (slice){(const char *)key, 8};
}

err_code oplog_get(store_read *r, uint64_t seq, arena *a, oplog_entry *out, err *e)
{
    unsigned char key[8];
    slice value;
    memset(out, 0, sizeof *out);
    err_code code = schema_get(r, DB_OPLOG, seq_key(key, seq), &value, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, code, "write %llu is not in the log", (unsigned long long)seq);
    }
    if (code == ERR_OK) {
        code = oplog_decode(out, seq, value, e);
    }
    if (code == ERR_OK) {
        out->op = arena_slice(a, out->op);
        code = out->op.at != NULL ? ERR_OK : err_nomem(e, "a log entry");
    }
    return code;
}

err_code oplog_range(store_read *r, uint64_t *first, uint64_t *last, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    *first = *last = 0;
    int rc = mdb_cursor_open(r->txn, r->owner->dbi[DB_OPLOG], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading the log", e);
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    if (rc == 0 && k.mv_size == 8) {
        *first = get_be64(k.mv_data);
        rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);
        *last = rc == 0 && k.mv_size == 8 ? get_be64(k.mv_data) : 0;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? ERR_OK : schema_error(rc, "reading the log", e);
}

err_code oplog_put(store_write *w, const oplog_entry *entry, encoder *scratch, err *e)
{
    unsigned char key[8];
    encoder_clear(scratch);
    oplog_encode(entry, scratch);
    err_code code = encoder_check(scratch, "log entry", e);
    slice value = encoder_slice(scratch);
    if (code == ERR_OK) {
        code = schema_put(w, DB_OPLOG, seq_key(key, entry->seq), value, e);
    }
    w->state.oplog_bytes += code == ERR_OK ? value.length : 0;
    return code;
}

uint64_t oplog_bytes_limit(uint64_t oplog_bytes, uint64_t quota_bytes)
{
    uint64_t most = oplog_bytes > 0 ? oplog_bytes : OPLOG_BYTES_DEFAULT;
    return quota_bytes > 0 && quota_bytes / 8 < most ? quota_bytes / 8 : most;
}

typedef struct trim_limits {
    uint64_t bytes;  /* size to which the log is trimmed */
    int64_t oldest;  /* older entries are removed */
    size_t entries;  /* how many entries are removed at most */
    size_t *removed; /* NULL if not wanted */
} trim_limits;

static err_code trim(store_write *w, const trim_limits *to, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_open(w->txn, w->owner->dbi[DB_OPLOG], &cursor);
    if (rc != 0) {
        return schema_error(rc, "trimming the log", e);
    }
    err_code code = ERR_OK;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    for (size_t i = 0; rc == 0 && code == ERR_OK && i < to->entries; i++) {
        oplog_entry entry;
        code = oplog_decode(&entry, get_be64(k.mv_data), slice_of_val(v), e);
        if (code != ERR_OK || entry.seq == w->state.info.seq ||
            (w->state.oplog_bytes <= to->bytes && entry.time >= to->oldest)) {
            break;
        }
        w->state.oplog_bytes -= v.mv_size < w->state.oplog_bytes ? v.mv_size : w->state.oplog_bytes;
        rc = mdb_cursor_del(cursor, 0);
        rc = rc == 0 ? mdb_cursor_get(cursor, &k, &v, MDB_FIRST) : rc;
        if (to->removed != NULL) {
            (*to->removed)++;
        }
    }
    mdb_cursor_close(cursor);
    return code != ERR_OK || rc == MDB_NOTFOUND ? code : schema_error(rc, "trimming the log", e);
}

err_code oplog_trim(store_write *w, size_t ops, err *e)
{
    const store_options *o = &w->owner->options;
    trim_limits to = {
        .bytes = oplog_bytes_limit(o->oplog_bytes, o->quota_bytes),
        .oldest =
            w->state.clock - (o->oplog_seconds > 0 ? o->oplog_seconds : OPLOG_SECONDS_DEFAULT),
        .entries = ops + OPLOG_TRIM_MORE,
    };
    return trim(w, &to, e);
}

err_code oplog_cut(store_write *w, bool *cut, err *e)
{
    const store_options *o = &w->owner->options;
    size_t removed = 0;
    trim_limits to = {.bytes = oplog_bytes_limit(o->oplog_bytes, o->quota_bytes) / 16,
                      .oldest = INT64_MIN,
                      .entries = OPLOG_CUT_MAX,
                      .removed = &removed};
    err_code code = trim(w, &to, e);
    *cut = removed > 0;
    return code;
}

/* --- erasure --- */

static bool holds(slice bytes, slice id)
{
    return memmem(bytes.at, bytes.length, id.at, id.length) != NULL;
}

/* without removes the user's entries from a decoded op. The remaining list is allocated in the
 * op. */
static err_code without(op *o, slice user, bool *changed, err *e)
{
    uint32_t kept = 0;
    *changed = false;
    if ((o->kind != OP_INTERACTIONS_ADD && o->kind != OP_INTERACTIONS_REMOVE) || o->count == 0) {
        return ERR_OK;
    }
    op_interaction *list = arena_alloc(&o->memory, o->count, sizeof *list);
    if (list == NULL) {
        return err_nomem(e, "a log entry");
    }
    for (uint32_t i = 0; i < o->count; i++) {
        if (!slice_equal(o->interactions[i].user, user)) {
            list[kept++] = o->interactions[i];
        }
    }
    *changed = kept != o->count;
    o->interactions = list;
    o->count = kept;
    return ERR_OK;
}

static err_code redact(store_write *w, oplog_entry *entry, size_t old_bytes, slice user,
                       bool *changed, err *e)
{
    op *o = NULL;
    encoder bytes, record;
    err_code code = op_decode(&o, entry->op, e);
    *changed = false;
    if (code == ERR_OK) {
        code = without(o, user, changed, e);
    }
    if (!*changed) {
        op_free(o);
        return code;
    }
    encoder_init(&bytes, OP_BYTES_MAX);
    encoder_init(&record, OP_BYTES_MAX + 1024);
    op_write(o, &bytes);
    code = encoder_check(&bytes, "write", e);
    entry->op = encoder_slice(&bytes);
    entry->redacted = true;
    w->state.oplog_bytes -= old_bytes < w->state.oplog_bytes ? old_bytes : w->state.oplog_bytes;
    if (code == ERR_OK) {
        code = oplog_put(w, entry, &record, e);
    }
    encoder_fini(&record);
    encoder_fini(&bytes);
    op_free(o);
    return code;
}

err_code oplog_redact(store_write *w, slice user, uint32_t *changed, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    *changed = 0;
    int rc = mdb_cursor_open(w->txn, w->owner->dbi[DB_OPLOG], &cursor);
    if (rc != 0) {
        return schema_error(rc, "erasing from the log", e);
    }
    err_code code = ERR_OK;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && code == ERR_OK) {
        oplog_entry entry;
        bool one = false;
        if (holds(slice_of_val(v), user)) {
            code = oplog_decode(&entry, get_be64(k.mv_data), slice_of_val(v), e);
            if (code == ERR_OK) {
                code = redact(w, &entry, v.mv_size, user, &one, e);
            }
            *changed += one;
        }
        rc = code == ERR_OK ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    return code != ERR_OK || rc == MDB_NOTFOUND ? code
                                                : schema_error(rc, "erasing from the log", e);
}
