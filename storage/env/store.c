/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: opens and closes a store, and reports its sizes.
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

static err_code prepare_folder(const store *s, err *e)
{
    if (s->options.create && mkdir(s->dir, 0700) != 0 && errno != EEXIST) {
        return err_set(e, ERR_IO, "making the folder %s: %s", s->dir, strerror(errno));
    }
    return s->options.create ? ERR_OK : has_data(s->dir, e);
}

/* leave_snapshot makes a snapshot a store of its own when its first owner opens it. */
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

err_code store_reopen(store *s, store_info *out, err *e)
{
    memset(out, 0, sizeof *out);
    exclusive_begin(s);
    env_close(s);
    err_code code = store_keep_lock(s, "owner.lock", &s->owner_fd, e);
    if (code == ERR_OK) {
        code = env_open(s, false, e);
    }
    if (code == ERR_OK) {
        atomic_store(&s->broken, false);
    }
    exclusive_end(s);
    return code == ERR_OK ? store_stat(s, out, e) : code;
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

/* --- reading --- */

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
