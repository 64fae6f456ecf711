/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readers: lists the read transactions of all processes and the pages that they keep from reuse.
 *
 * LMDB reuses a freed page only when no older reader is open. A stopped or slow reader therefore
 * makes the file grow and fills the quota with unused pages.
 */
#include <stdio.h>
#include <string.h>

#include "storage/env/process.h"
#include "storage/env/schema.h"
#include "storage/env/store.h"

/* free_pages reads LMDB's lists of free pages. Each list has the number of the transaction that
 * freed its pages as the key, and begins with its length. */
uint64_t free_pages(MDB_txn *txn, size_t since)
{
    MDB_cursor *cursor = NULL;
    MDB_val k, v;
    uint64_t pages = 0;
    if (mdb_cursor_open(txn, 0, &cursor) != 0) {
        return 0;
    }
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        size_t count = 0;
        size_t freed_by = 0;
        memcpy(&freed_by, k.mv_data, k.mv_size < sizeof freed_by ? k.mv_size : sizeof freed_by);
        memcpy(&count, v.mv_data, v.mv_size < sizeof count ? v.mv_size : sizeof count);
        pages += freed_by >= since ? count : 0;
    }
    mdb_cursor_close(cursor);
    return pages;
}

size_t store_reader_check(store *s)
{
    int dead = 0;
    pthread_mutex_lock(&s->mu);
    if (s->env != NULL) {
        (void)mdb_reader_check(s->env, &dead); /* on failure, try again later */
    }
    pthread_mutex_unlock(&s->mu);
    return dead > 0 ? (size_t)dead : 0;
}

typedef struct oldest_reader {
    size_t transaction; /* SIZE_MAX if no read transaction is open */
    int number;         /* LMDB's number of its process */
} oldest_reader;

/* note_reader parses one line of LMDB's reader list: process, thread, and the transaction being
 * read or "-". */
static int note_reader(const char *line, void *ctx)
{
    oldest_reader *oldest = ctx;
    int number = 0;
    size_t transaction = 0;
    if (sscanf(line, "%d %*x %zu", &number, &transaction) == 2 &&
        transaction < oldest->transaction) {
        oldest->transaction = transaction;
        oldest->number = number;
    }
    return 0;
}

err_code store_holder_find(store *s, store_holder *out, err *e)
{
    char path[STORE_PATH_MAX];
    MDB_stat stat;
    store_read *r = NULL;
    oldest_reader oldest = {.transaction = SIZE_MAX};
    memset(out, 0, sizeof *out);
    err_code code = path_join(path, s->dir, "lock.mdb", e);
    if (code == ERR_OK) {
        code = store_read_begin(s, &r, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    size_t now = mdb_txn_id(r->txn);
    if (mdb_reader_list(s->env, note_reader, &oldest) == 0 && oldest.transaction < now &&
        mdb_env_stat(s->env, &stat) == 0) {
        out->bytes = free_pages(r->txn, oldest.transaction) * stat.ms_psize;
        out->commits = now - oldest.transaction;
        out->pid = process_of(oldest.number, path);
    }
    store_read_end(r);
    return ERR_OK;
}
