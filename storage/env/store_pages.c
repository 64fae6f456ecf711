/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_pages: returns pages of the memory map to the kernel after a load.
 *
 * A start reads most of the file once, and the kernel counts every page that was read as memory of
 * the process: 2.8 GB beside 1.5 GB of tables for a million items and users.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#include "storage/env/schema.h"

/* map_of finds LMDB's mapping: the one that contains a value. LMDB reports its address only if the
 * caller chose it. */
static void *map_of(MDB_env *env)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_dbi dbi;
    MDB_val key, value = {0};
    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0) {
        return NULL;
    }
    if (mdb_dbi_open(txn, NULL, 0, &dbi) == 0 && mdb_cursor_open(txn, dbi, &cursor) == 0) {
        (void)mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    FILE *maps = value.mv_data != NULL ? fopen("/proc/self/maps", "re") : NULL;
    uintptr_t from = 0, to = 0;
    bool found = false;
    while (maps != NULL && !found &&
           fscanf(maps, "%" SCNxPTR "-%" SCNxPTR "%*[^\n]\n", &from, &to) == 2) {
        found = from <= (uintptr_t)value.mv_data && (uintptr_t)value.mv_data < to;
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
    return found ? (void *)from : NULL;
}

void env_forget_pages(MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    void *map = map_of(env);
    if (map != NULL && mdb_env_info(env, &info) == 0 && mdb_env_stat(env, &stat) == 0) {
        /* The mapping is shared and read-only, so readers simply fault the pages in again. */
        (void)madvise(map, ((size_t)info.me_last_pgno + 1) * stat.ms_psize, MADV_DONTNEED);
    }
}

void store_forget_pages(store *s)
{
    pthread_mutex_lock(&s->mu);
    if (s->env != NULL) {
        env_forget_pages(s->env);
    }
    pthread_mutex_unlock(&s->mu);
}
