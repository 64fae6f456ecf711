/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair_walk: what every repair needs: it visits each key, collects changes and makes them, and
 * reports what was repaired.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/common/mem.h"
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

static err_code make_changes(repairing *x, err *e)
{
    err_code code = ERR_OK;
    for (size_t i = 0; i < x->change_count && code == ERR_OK; i++) {
        const repair_change *what = &x->changes[i];
        unsigned char row[4];
        put_be32(row, what->row);
        code = what->put ? schema_put(x->w, what->db, what->key,
                                      (slice){(const char *)row, sizeof row}, e)
                         : schema_delete(x->w, what->db, what->key, e);
        code = code == ERR_NOT_FOUND ? ERR_OK : code;
    }
    x->change_count = 0;
    arena_reset(&x->keys);
    return code;
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
    return code == ERR_OK ? make_changes(x, e) : code;
}
