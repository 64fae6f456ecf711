/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_read: keeps a store's read transactions in a pool, and counts those in progress.
 *
 * Read transactions are counted under `mu`, so that a caller that closes the environment
 * (store_reopen, staging, a resized map) can wait until none is open. A finished transaction
 * returns to the pool and keeps its reader slot. Beginning again then costs two atomic writes
 * instead of a search under a lock that all processes share.
 */
#include <errno.h>

#include "core/common/mem.h"
#include "storage/env/schema.h"
#include "storage/env/store.h"

err_code store_enter(store *s, err *e)
{
    pthread_mutex_lock(&s->mu);
    while (s->exclusive) {
        pthread_cond_wait(&s->quiet, &s->mu);
    }
    bool open = s->env != NULL;
    s->open_reads += open ? 1 : 0;
    pthread_mutex_unlock(&s->mu);
    return open ? ERR_OK
                : err_set(e, ERR_UNAVAILABLE, "the store %s could not be opened again", s->dir);
}

void store_leave(store *s)
{
    pthread_mutex_lock(&s->mu);
    s->open_reads--;
    if (s->open_reads == 0) {
        pthread_cond_broadcast(&s->quiet);
    }
    pthread_mutex_unlock(&s->mu);
}

void exclusive_begin(store *s)
{
    pthread_mutex_lock(&s->mu);
    while (s->exclusive) {
        pthread_cond_wait(&s->quiet, &s->mu);
    }
    s->exclusive = true;
    while (s->open_reads > 0) {
        pthread_cond_wait(&s->quiet, &s->mu);
    }
    pthread_mutex_unlock(&s->mu);
}

void exclusive_end(store *s)
{
    pthread_mutex_lock(&s->mu);
    s->exclusive = false;
    pthread_cond_broadcast(&s->quiet);
    pthread_mutex_unlock(&s->mu);
}

/* store_adopt_size takes over the size of the map after another process, whose map is larger, has
 * grown the file. */
void store_adopt_size(store *s)
{
    exclusive_begin(s);
    if (s->env != NULL) {
        (void)mdb_env_set_mapsize(s->env, 0);
    }
    exclusive_end(s);
}

static store_read *take_resting(store *s)
{
    pthread_mutex_lock(&s->mu);
    store_read *r = s->resting;
    if (r != NULL) {
        s->resting = r->next;
        s->resting_count--;
    }
    pthread_mutex_unlock(&s->mu);
    return r;
}

static int begin_once(store *s, store_read **out)
{
    store_read *r = take_resting(s);
    int rc = 0;
    if (r != NULL) {
        rc = mdb_txn_renew(r->txn);
        if (rc != 0) {
            mdb_txn_abort(r->txn);
            mem_free(r);
            r = NULL;
        }
    } else {
        r = mem_array(1, sizeof *r);
        rc = r == NULL ? ENOMEM : mdb_txn_begin(s->env, NULL, MDB_RDONLY, &r->txn);
        if (rc != 0) {
            mem_free(r);
            r = NULL;
        }
    }
    if (r != NULL) {
        r->owner = s;
        r->next = NULL;
    }
    *out = r;
    return rc;
}

err_code store_read_begin(store *s, store_read **out, err *e)
{
    *out = NULL;
    int rc = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        err_code code = store_enter(s, e);
        if (code != ERR_OK) {
            return code;
        }
        rc = begin_once(s, out);
        if (rc == 0) {
            return ERR_OK;
        }
        store_leave(s);
        if (rc != MDB_MAP_RESIZED) {
            break;
        }
        store_adopt_size(s);
    }
    return schema_error(rc, "beginning to read", e);
}

void store_read_end(store_read *r)
{
    if (r == NULL || r->lent) {
        return;
    }
    store *s = r->owner;
    mdb_txn_reset(r->txn);
    pthread_mutex_lock(&s->mu);
    bool rests = s->resting_count < READS_RESTING_MAX;
    if (rests) {
        r->next = s->resting;
        s->resting = r;
        s->resting_count++;
    }
    pthread_mutex_unlock(&s->mu);
    if (!rests) {
        mdb_txn_abort(r->txn);
        mem_free(r);
    }
    store_leave(s);
}

err_code state_read(store_read *r, store_state *out, err *e)
{
    slice record;
    err_code code = schema_get(r, DB_META, slice_of("state"), &record, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_CORRUPT, "the store has no state record");
    }
    return code == ERR_OK ? state_decode(out, record, e) : code;
}
