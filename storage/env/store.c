/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: opens and closes a store, and keeps its read transactions in a pool.
 *
 * Read transactions are counted under `mu`, so that whoever closes the environment (store_reopen,
 * staging, a resized map) can wait until none is open. A finished transaction goes back to the pool
 * and keeps its reader slot. To begin again then costs two atomic writes instead of a search under
 * a lock that all processes share.
 */
#include "storage/env/store.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "storage/env/schema.h"

/* --- opening --- */

static err_code own(store *s, err *e)
{
    long holder = 0;
    err_code code = lock_file(s->dir, "owner.lock", false, false, &s->owner_fd, &holder, e);
    if (code == ERR_CONFLICT) {
        return err_set(e, ERR_CONFLICT, "the store %s is in use by process %ld: stop it first",
                       s->dir, holder);
    }
    return code;
}

err_code store_keep_lock(const store *s, const char *name, int *fd, err *e)
{
    int again = -1;
    long holder = 0;
    if (*fd < 0 || file_is(s->dir, name, *fd)) {
        return ERR_OK;
    }
    err_code code = lock_file(s->dir, name, false, false, &again, &holder, e);
    if (code == ERR_CONFLICT) {
        return err_set(e, ERR_UNAVAILABLE,
                       "%s was deleted or replaced while this process has the store open, and "
                       "process %ld has it now: nothing was stored",
                       name, holder);
    }
    if (code == ERR_OK) {
        close(*fd);
        *fd = again;
    }
    return code;
}

static err_code prepare_folder(const store *s, err *e)
{
    if (s->options.create && mkdir(s->dir, 0700) != 0 && errno != EEXIST) {
        return err_set(e, ERR_IO, "making the folder %s: %s", s->dir, strerror(errno));
    }
    return s->options.create ? ERR_OK : has_data(s->dir, e);
}

/* A snapshot becomes a store of its own with its first owner. */
static err_code leave_snapshot(store *s, err *e)
{
    store_write *w = NULL;
    err_code code = store_write_begin(s, &w, e);
    if (code != ERR_OK) {
        return code;
    }
    if (!w->state.snapshot) {
        store_write_abort(w);
        return ERR_OK;
    }
    w->state.snapshot = false;
    if (!s->options.keep_lineage || w->state.info.external[0] == '\0') {
        lineage_new(w->state.info.lineage);
        memset(w->state.info.external, 0, sizeof w->state.info.external);
    }
    return store_write_commit(w, e);
}

err_code store_open(store **out, const char *dir, const store_options *options, err *e)
{
    *out = NULL;
    store *s = mem_array(1, sizeof *s);
    if (s == NULL) {
        return err_nomem(e, "a store");
    }
    s->owner_fd = s->train_fd = -1;
    s->files = GUARD_NONE;
    s->options = *options;
    pthread_mutex_init(&s->mu, NULL);
    pthread_cond_init(&s->quiet, NULL);
    turn_init(&s->writing);
    s->dir = mem_string(dir, strlen(dir));
    err_code code = s->dir != NULL ? ERR_OK : err_nomem(e, "a store");
    bool create = options->create && options->mode != STORE_READ;
    if (code == ERR_OK) {
        code = prepare_folder(s, e);
    }
    if (code == ERR_OK && options->mode == STORE_OWNER) {
        code = own(s, e);
    }
    if (code == ERR_OK && options->training) {
        code = store_train_lock(s, e);
    }
    if (code == ERR_OK) {
        code = env_open(s, create, e);
    }
    if (code == ERR_OK && create && !options->no_sync) {
        code = path_sync(s->dir, e);
    }
    if (code == ERR_OK && options->mode != STORE_READ) {
        (void)store_reader_check(s);
    }
    if (code == ERR_OK && options->mode == STORE_OWNER) {
        code = leave_snapshot(s, e);
    }
    if (code != ERR_OK) {
        store_close(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void store_close(store *s)
{
    if (s == NULL) {
        return;
    }
    assert(s->open_reads == 0);
    env_close(s);
    if (s->owner_fd >= 0) {
        close(s->owner_fd);
    }
    if (s->train_fd >= 0) {
        close(s->train_fd);
    }
    turn_fini(&s->writing);
    pthread_cond_destroy(&s->quiet);
    pthread_mutex_destroy(&s->mu);
    mem_free(s->dir);
    mem_free(s);
}

const char *store_dir(const store *s)
{
    return s->dir;
}

/* --- counting who is inside the environment --- */

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

/* Another process with a larger map has grown the file, so take over its size. */
void store_adopt_size(store *s)
{
    exclusive_begin(s);
    if (s->env != NULL) {
        (void)mdb_env_set_mapsize(s->env, 0);
    }
    exclusive_end(s);
}

/* --- reading --- */

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

static uint64_t room_below(store *s, uint64_t bound, uint64_t enough)
{
    MDB_envinfo info;
    MDB_stat stat;
    store_read *r = NULL;
    if (s->options.quota_bytes == 0 || mdb_env_info(s->env, &info) != 0 ||
        mdb_env_stat(s->env, &stat) != 0) {
        return UINT64_MAX;
    }
    uint64_t used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    if (used + enough <= bound || store_read_begin(s, &r, NULL) != ERR_OK) {
        return bound - (used < bound ? used : bound);
    }
    used -= free_pages(r->txn, 0) * stat.ms_psize;
    store_read_end(r);
    return used < bound ? bound - used : 0;
}

uint64_t store_quota_room(store *s, uint64_t enough)
{
    return room_below(s, s->options.quota_bytes, enough);
}

uint64_t store_reserve_room(store *s)
{
    uint64_t quota = s->options.quota_bytes;
    return room_below(s, quota + quota_reserve(quota), 1);
}

static void fill_sizes(store *s, MDB_txn *txn, bool lent, store_info *out)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat st;
    int fd = -1;
    out->quota_bytes = s->options.quota_bytes;
    out->writable = !atomic_load(&s->broken) && s->options.mode != STORE_READ;
    if (mdb_env_info(s->env, &info) == 0 && mdb_env_stat(s->env, &stat) == 0) {
        uint64_t unused = lent ? 0 : free_pages(txn, 0); /* only a plain reader may look */
        out->used_bytes = ((uint64_t)info.me_last_pgno + 1 - unused) * stat.ms_psize;
    }
    if (mdb_env_get_fd(s->env, &fd) == 0 && fstat(fd, &st) == 0) {
        out->file_bytes = (uint64_t)st.st_size;
    }
}

err_code store_read_stat(store_read *r, store_info *out, err *e)
{
    store_state state;
    if (r->lent) {
        const store_write *w =
            (const store_write *)((const char *)r - offsetof(store_write, reads));
        *out = w->state.info;
    } else {
        err_code code = state_read(r, &state, e);
        if (code != ERR_OK) {
            return code;
        }
        *out = state.info;
    }
    fill_sizes(r->owner, r->txn, r->lent, out);
    return ERR_OK;
}

err_code store_stat(store *s, store_info *out, err *e)
{
    store_read *r = NULL;
    memset(out, 0, sizeof *out);
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = store_read_stat(r, out, e);
        store_read_end(r);
    }
    return code;
}

/* --- training --- */

err_code store_train_lock(store *s, err *e)
{
    long holder = 0;
    err_code code = lock_file(s->dir, "train.lock", false, false, &s->train_fd, &holder, e);
    if (code == ERR_CONFLICT) {
        return err_set(e, ERR_CONFLICT,
                       "a training of the store %s, or an import into it, runs in process %ld",
                       s->dir, holder);
    }
    return code;
}

void store_train_unlock(store *s)
{
    if (s->train_fd >= 0) {
        close(s->train_fd);
        s->train_fd = -1;
    }
}

bool store_train_running(store *s)
{
    int fd = -1;
    long holder = 0;
    if (s->train_fd >= 0) {
        return true;
    }
    err_code code = lock_file(s->dir, "train.lock", true, false, &fd, &holder, NULL);
    if (code == ERR_OK) {
        close(fd);
    }
    return code == ERR_CONFLICT;
}
