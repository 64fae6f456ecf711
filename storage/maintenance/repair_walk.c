/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair_walk: what every repair needs: it visits each key, collects changes and makes them, and
 * reports what was repaired.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/common/mem.h"
#include "storage/env/checksum.h"
#include "storage/maintenance/repair_private.h"

void repair_told(repairing *x, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (*x->count)++;
    if (x->options->mended != NULL) {
        x->options->mended(x->options->ctx, text);
    }
}

const char *repair_key_text(slice key, char out[REPAIR_KEY_TEXT])
{
    bool printable = key.length > 0;
    for (size_t i = 0; i < key.length; i++) {
        printable = printable && isprint((unsigned char)key.at[i]);
    }
    if (printable) {
        snprintf(out, REPAIR_KEY_TEXT, "\"%.*s\"", (int)key.length, key.at);
        return out;
    }
    int used = snprintf(out, REPAIR_KEY_TEXT, "0x");
    for (size_t i = 0; i < key.length && used + 3 < REPAIR_KEY_TEXT; i++) {
        used += snprintf(out + used, 3, "%02x", (unsigned char)key.at[i]);
    }
    return out;
}

static err_code note(repairing *x, repair_change what, err *e)
{
    repair_change *changes =
        mem_reserve(x->changes, &x->change_room, x->change_count + 1, sizeof *changes);
    if (changes == NULL) {
        return err_nomem(e, "the repair");
    }
    x->changes = changes;
    what.key = arena_slice(&x->keys, what.key);
    x->changes[x->change_count++] = what;
    return what.key.at != NULL ? ERR_OK : err_nomem(e, "the repair");
}

err_code repair_drop(repairing *x, store_db db, slice key, err *e)
{
    return note(x, (repair_change){.db = db, .key = key}, e);
}

err_code repair_lead(repairing *x, store_db db, slice id, uint32_t row, err *e)
{
    return note(x, (repair_change){.db = db, .key = id, .put = true, .row = row}, e);
}

/* --- a change must not touch its neighbours --- */

uint64_t repair_hash(slice key, slice value)
{
    return checksum64(key.at, key.length) * 31 + checksum64(value.at, value.length);
}

err_code repair_sum(repairing *x, store_db db, uint64_t *sum, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    *sum = 0;
    int rc = mdb_cursor_open(x->w->txn, x->w->owner->dbi[db], &cursor);
    while (rc == 0 && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        *sum += repair_hash(slice_of_val(k), slice_of_val(v));
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc == MDB_NOTFOUND ? ERR_OK : schema_error(rc, "repairing", e);
}

err_code repair_verify(repairing *x, store_db db, uint64_t expected, err *e)
{
    uint64_t sum = 0;
    err_code code = repair_sum(x, db, &sum, e);
    return code != ERR_OK || sum == expected
               ? code
               : err_set(e, ERR_CORRUPT,
                         "the pages of %s are damaged, and a change there would damage whole "
                         "records: restore a snapshot, or export and import what can be read",
                         schema_db_name(db));
}

/* --- making changes --- */

static repair_change *next_drop(repairing *x, store_db db, size_t *at)
{
    while (*at < x->change_count && (x->changes[*at].put || x->changes[*at].db != db)) {
        (*at)++;
    }
    return *at < x->change_count ? &x->changes[*at] : NULL;
}

/* drop_walked drops what the visits of this database noted, in a second walk: a key that was
 * damaged in its page may be out of order, and no search finds it. */
static err_code drop_walked(repairing *x, store_db db, uint64_t *sum, err *e)
{
    size_t at = 0;
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    repair_change *next = next_drop(x, db, &at);
    int rc = mdb_cursor_open(x->w->txn, x->w->owner->dbi[db], &cursor);
    if (rc != 0) {
        return schema_error(rc, "repairing", e);
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && next != NULL) {
        if (slice_equal(slice_of_val(k), next->key)) {
            *sum -= repair_hash(slice_of_val(k), slice_of_val(v));
            rc = mdb_cursor_del(cursor, 0);
            next->done = true;
            at++;
            next = next_drop(x, db, &at);
        }
        rc = rc == 0 ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? ERR_OK : schema_error(rc, "repairing", e);
}

static err_code put_row(repairing *x, const repair_change *what, uint64_t *sum, err *e)
{
    unsigned char row[4];
    slice before, value = {(const char *)row, sizeof row};
    put_be32(row, what->row);
    err_code code = schema_get(x->r, what->db, what->key, &before, e);
    if (code == ERR_OK) {
        *sum -= repair_hash(what->key, before);
    }
    if (code == ERR_OK || code == ERR_NOT_FOUND) {
        *sum += repair_hash(what->key, value);
        code = schema_put(x->w, what->db, what->key, value, e);
    }
    return code;
}

static err_code make_changes(repairing *x, store_db db, err *e)
{
    uint64_t sum = 0;
    if (x->change_count == 0) {
        return ERR_OK;
    }
    err_code code = repair_sum(x, db, &sum, e);
    if (code == ERR_OK) {
        code = drop_walked(x, db, &sum, e);
    }
    for (size_t i = 0; i < x->change_count && code == ERR_OK; i++) {
        const repair_change *what = &x->changes[i];
        if (what->put) {
            uint64_t unused = 0;
            code = put_row(x, what, what->db == db ? &sum : &unused, e);
        } else if (!what->done) {
            code = schema_delete(x->w, what->db, what->key, e);
            code = code == ERR_NOT_FOUND ? ERR_OK : code;
        }
    }
    x->change_count = 0;
    arena_reset(&x->keys);
    return code == ERR_OK ? repair_verify(x, db, sum, e) : code;
}

err_code repair_walk(repairing *x, store_db db, repair_visit visit, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    const repair_options *o = x->options;
    uint64_t seen = 0;
    if (o->at != NULL) {
        o->at(o->ctx, schema_db_name(db));
    }
    int rc = mdb_cursor_open(x->w->txn, x->w->owner->dbi[db], &cursor);
    if (rc != 0) {
        return schema_error(rc, "repairing", e);
    }
    err_code code = ERR_OK;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && code == ERR_OK) {
        arena_reset(&x->record);
        if (k.mv_size == 0 || k.mv_size > SCHEMA_KEY_BYTES_MAX) {
            code = err_set(e, ERR_CORRUPT, "%s has a key of %zu bytes: restore a snapshot",
                           schema_db_name(db), k.mv_size);
            break;
        }
        code = visit(x, slice_of_val(k), slice_of_val(v), e);
        if (code == ERR_OK && ++seen % 4096 == 0 && o->cancelled != NULL &&
            o->cancelled(o->cancelled_ctx)) {
            code = err_set(e, ERR_CANCELLED, "stopped");
        }
        rc = code == ERR_OK ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    if (code == ERR_OK && rc != MDB_NOTFOUND) {
        code = schema_error(rc, "repairing", e);
    }
    return code == ERR_OK ? make_changes(x, db, e) : code;
}
