/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/walk.h"

#include <string.h>
#include <sys/stat.h>

#include "storage/env/schema.h"

enum { ASK_EACH = 1024, KEY_BYTES_MAX = 511 };

typedef struct walking {
    store *s;
    MDB_txn *txn;
    const walk_options *options;
    walk_report *report;
    size_t pages; /* number of pages according to the meta page */
    unsigned char last[KEY_BYTES_MAX];
    size_t last_bytes;
} walking;

/* touch reads a byte at each end of a value. If a page is missing, the process dies here. */
static void touch(MDB_val v)
{
    const volatile unsigned char *at = v.mv_data;
    if (v.mv_size > 0) {
        (void)at[0];
        (void)at[v.mv_size - 1];
    }
}

static bool ascending(walking *w, MDB_val key, bool dup)
{
    size_t least = key.mv_size < w->last_bytes ? key.mv_size : w->last_bytes;
    int order = memcmp(w->last, key.mv_data, least);
    bool equal = order == 0 && key.mv_size == w->last_bytes;
    bool fine = order < 0 || (order == 0 && w->last_bytes < key.mv_size) || (dup && equal);
    memcpy(w->last, key.mv_data, key.mv_size);
    w->last_bytes = key.mv_size;
    return fine;
}

static err_code walk_entries(walking *w, store_db db, MDB_cursor *cursor, uint64_t *count, err *e)
{
    const char *name = schema_db_name(db);
    bool dup = db == DB_BY_USER || db == DB_BY_ITEM;
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    for (; rc == 0; rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        if (k.mv_size == 0 || k.mv_size > KEY_BYTES_MAX ||
            (*count > 0 && !ascending(w, k, dup) && !w->options->any_order)) {
            return err_set(e, ERR_CORRUPT, "the store is damaged: keys of %s are out of order",
                           name);
        }
        if (*count == 0) {
            memcpy(w->last, k.mv_data, k.mv_size);
            w->last_bytes = k.mv_size;
        }
        touch(v);
        w->report->entries++;
        if (++*count % ASK_EACH == 0 && w->options->enough(w->options->ctx)) {
            w->report->complete = false;
            return ERR_OK;
        }
    }
    return rc == MDB_NOTFOUND ? ERR_OK
                              : err_set(e, ERR_CORRUPT, "the store is damaged: reading %s: %s",
                                        name, mdb_strerror(rc));
}

static err_code walk_database(walking *w, store_db db, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_stat stat;
    uint64_t count = 0;
    w->options->at(w->options->ctx, schema_db_name(db));
    int rc = mdb_stat(w->txn, w->s->dbi[db], &stat);
    rc = rc == 0 ? mdb_cursor_open(w->txn, w->s->dbi[db], &cursor) : rc;
    if (rc != 0) {
        return schema_error(rc, "walking the store", e);
    }
    err_code code = walk_entries(w, db, cursor, &count, e);
    mdb_cursor_close(cursor);
    if (code == ERR_OK && w->report->complete && count != stat.ms_entries) {
        code = err_set(e, ERR_CORRUPT,
                       "the store is damaged: %s has %llu entries, and its root says %zu",
                       schema_db_name(db), (unsigned long long)count, stat.ms_entries);
    }
    return code;
}

/* sound_list checks a list of free pages: its length and page numbers, the largest first. Writes
 * take their pages from such lists. */
static bool sound_list(const walking *w, MDB_val list)
{
    size_t count = 0, before = w->pages, page = 0;
    if (list.mv_size < sizeof count) {
        return false;
    }
    memcpy(&count, list.mv_data, sizeof count);
    if (count > list.mv_size / sizeof page - 1) {
        return false;
    }
    for (size_t i = 1; i <= count; i++) {
        memcpy(&page, (const char *)list.mv_data + i * sizeof page, sizeof page);
        if (page < 2 || page >= before) {
            return false;
        }
        before = page;
    }
    return true;
}

static err_code walk_free(walking *w, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    bool sound = true;
    w->options->at(w->options->ctx, "the list of free pages");
    int rc = mdb_cursor_open(w->txn, 0, &cursor);
    while (rc == 0 && sound && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        sound = k.mv_size == sizeof(size_t) && sound_list(w, v);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return sound && rc == MDB_NOTFOUND
               ? ERR_OK
               : err_set(e, ERR_CORRUPT, "the store is damaged: its list of free pages cannot be");
}

static err_code check_length(walking *w, err *e)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat st;
    int fd = -1;
    if (mdb_env_info(w->s->env, &info) != 0 || mdb_env_stat(w->s->env, &stat) != 0 ||
        mdb_env_get_fd(w->s->env, &fd) != 0 || fstat(fd, &st) != 0) {
        return err_set(e, ERR_IO, "data.mdb cannot be measured");
    }
    w->pages = info.me_last_pgno + 1;
    uint64_t bytes = (uint64_t)w->pages * stat.ms_psize;
    return bytes <= (uint64_t)st.st_size
               ? ERR_OK
               : err_set(e, ERR_CORRUPT,
                         "the store is damaged: data.mdb has %lld bytes, and its pages take %llu",
                         (long long)st.st_size, (unsigned long long)bytes);
}

err_code walk_store(store *s, const walk_options *options, walk_report *report, err *e)
{
    store_read *r = NULL;
    walking w = {.s = s, .options = options, .report = report};
    *report = (walk_report){.complete = true};
    err_code code = store_read_begin(s, &r, e);
    if (code != ERR_OK) {
        return code;
    }
    w.txn = r->txn;
    code = check_length(&w, e);
    if (code == ERR_OK) {
        code = walk_free(&w, e);
    }
    for (int db = 0; code == ERR_OK && report->complete && db < DB_COUNT; db++) {
        code = walk_database(&w, (store_db)db, e);
    }
    store_read_end(r);
    return code;
}
