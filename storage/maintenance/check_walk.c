/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_walk: what every check needs: it opens the store, visits each key and reports problems.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/common/mem.h"
#include "storage/maintenance/check_private.h"

enum { CHECK_ARENA_BYTES = 512 * 1024 * 1024 };

void check_problem(checking *c, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->report->problems++;
    if (c->options->problem != NULL) {
        c->options->problem(c->options->ctx, text);
    }
}

bool check_decoded(checking *c, err_code *code, const err *why, err *e)
{
    if (*code == ERR_OK) {
        return true;
    }
    if (*code == ERR_CORRUPT) {
        check_problem(c, "%s", why->text);
        *code = ERR_OK;
        return false;
    }
    err_set(e, *code, "%s", why->text);
    return false;
}

/* sealed tells whether the walk checks the seals of a database. Records of the other databases have
 * none, or one that other checks verify. */
static bool sealed(store_db db)
{
    return db == DB_MODALITIES || db == DB_TYPES || db == DB_ITEMS || db == DB_USERS ||
           db == DB_FEATURES || db == DB_IDEMPOTENCY || db == DB_OPLOG || db == DB_PUBLISHERS ||
           db == DB_GENERATIONS || db == DB_HELD;
}

static void check_seal(checking *c, store_db db, slice key, slice value)
{
    char hex[2 * 16 + 1] = "";
    if (seal_holds(value)) {
        return;
    }
    for (size_t i = 0; i < key.length && i < sizeof hex / 2; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.at[i]);
    }
    check_problem(c, "%s: the checksum of the record with key 0x%s does not match its content",
                  schema_db_name(db), hex);
}

err_code check_walk(checking *c, store_db db, check_visit visit, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    if (c->options->at != NULL) {
        c->options->at(c->options->ctx, schema_db_name(db));
    }
    int rc = mdb_cursor_open(c->r->txn, c->s->dbi[db], &cursor);
    if (rc != 0) {
        return schema_error(rc, "checking", e);
    }
    err_code code = ERR_OK;
    uint64_t seen = 0;
    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST); rc == 0 && code == ERR_OK;
         rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        arena_reset(&c->memory);
        if (sealed(db)) {
            check_seal(c, db, slice_of_val(k), slice_of_val(v));
        }
        code = visit(c, slice_of_val(k), slice_of_val(v), e);
        if (code == ERR_OK && ++seen % 4096 == 0 && c->options->cancelled != NULL &&
            c->options->cancelled(c->options->cancelled_ctx)) {
            code = err_set(e, ERR_CANCELLED, "stopped");
        }
    }
    mdb_cursor_close(cursor);
    return code != ERR_OK || rc == MDB_NOTFOUND ? code : schema_error(rc, "checking", e);
}

err_code check_begin(checking *c, store *s, const check_options *options, check_report *report,
                     err *e)
{
    slice record = {NULL, 0};
    memset(c, 0, sizeof *c);
    memset(report, 0, sizeof *report);
    c->s = s;
    c->options = options;
    c->report = report;
    arena_init(&c->memory, CHECK_ARENA_BYTES);
    err_code code = store_read_begin(s, &c->r, e);
    if (code == ERR_OK) {
        code = schema_get(c->r, DB_META, slice_of("state"), &record, e);
    }
    if (code == ERR_NOT_FOUND) {
        code = err_set(e, ERR_CORRUPT, "the store has no state record");
    }
    if (code == ERR_OK && !seal_holds(record)) {
        check_problem(c, "the checksum of the state does not match its content");
    }
    if (code == ERR_OK) {
        code = state_decode(&c->state, record, e);
    }
    return code == ERR_OK ? store_read_stat(c->r, &report->info, e) : code;
}

void check_end(checking *c)
{
    store_read_end(c->r);
    arena_fini(&c->memory);
    mem_free(c->item_rows);
    mem_free(c->tombstones);
    mem_free(c->user_rows);
}
