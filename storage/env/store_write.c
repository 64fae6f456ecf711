/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_write: write transactions, and what a failed commit means.
 *
 * A commit writes the pages, syncs them, and then writes the one page that makes them valid. A
 * failure before the sync means that nothing was committed. A failed sync leaves the outcome
 * unknown. So only a full disk is treated as a definite answer; every other failure stops writes
 * until the store has been read again.
 */
#include "storage/env/store.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "core/common/mem.h"
#include "storage/env/schema.h"

static err_code may_write(const store *s, err *e)
{
    if (s->options.mode == STORE_READ) {
        return err_set(e, ERR_CONFLICT, "the store %s was opened for reading only", s->dir);
    }
    if (atomic_load(&s->broken)) {
        return err_set(e, ERR_UNAVAILABLE,
                       "the store %s is read-only because a commit failed: it must be reopened",
                       s->dir);
    }
    return ERR_OK;
}

static void leave_turn(store *s)
{
    turn_give(&s->writing);
    store_leave(s);
}

err_code store_write_begin(store *s, store_write **out, err *e)
{
    *out = NULL;
    err_code code = may_write(s, e);
    store_write *w = code == ERR_OK ? mem_array(1, sizeof *w) : NULL;
    if (w == NULL) {
        return code != ERR_OK ? code : err_nomem(e, "a write");
    }
    int lmdb = 0;
    for (int attempt = 0; attempt < 2; attempt++) {
        code = store_enter(s, e);
        if (code != ERR_OK) {
            mem_free(w);
            return code;
        }
        turn_take(&s->writing);
        lmdb = mdb_txn_begin(s->env, NULL, 0, &w->txn);
        if (lmdb == 0) {
            break;
        }
        leave_turn(s);
        if (lmdb != MDB_MAP_RESIZED) {
            break;
        }
        store_adopt_size(s);
    }
    if (lmdb != 0) {
        mem_free(w);
        return schema_error(lmdb, "beginning to write", e);
    }
    w->owner = s;
    w->reads.owner = s;
    w->reads.txn = w->txn;
    w->reads.lent = true;
    code = state_read(&w->reads, &w->state, e);
    w->seq_before = w->state.info.seq;
    if (code != ERR_OK) {
        store_write_abort(w);
        return code;
    }
    *out = w;
    return ERR_OK;
}

store_read *store_write_reads(store_write *w)
{
    return &w->reads;
}

void store_write_abort(store_write *w)
{
    if (w == NULL) {
        return;
    }
    store *s = w->owner;
    mdb_txn_abort(w->txn);
    mem_free(w);
    leave_turn(s);
}

/* disk_is_full tells whether a failed commit found the disk full. LMDB also returns EIO if the file
 * system cut a page write short, which happens when the disk becomes full during the write. */
static bool disk_is_full(const store *s, int rc)
{
    struct statvfs fs;
    if (rc == ENOSPC || rc == EDQUOT || rc == EFBIG || rc == MDB_MAP_FULL) {
        return true;
    }
    return rc == EIO && statvfs(s->dir, &fs) == 0 && fs.f_bavail * fs.f_frsize < 1024 * 1024;
}

/* still_at tells whether the page that makes the commit valid was certainly not written. */
static bool still_at(store *s, uint64_t seq)
{
    MDB_txn *txn = NULL;
    store_read r = {.owner = s};
    store_state state;
    if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0) {
        return false;
    }
    r.txn = txn;
    bool same = state_read(&r, &state, NULL) == ERR_OK && state.info.seq == seq;
    mdb_txn_abort(txn);
    return same;
}

/* still_ours refuses to write if another process may have the store under a name that was deleted
 * and created again. */
static err_code still_ours(store *s, err *e)
{
    /* read first: a change during the comparison gives another state */
    folder_state folder = folder_look(s->dir);
    if (folder_same(&s->files.compared, &folder)) {
        return ERR_OK;
    }
    err_code code = guard_check(&s->files, s->dir, e);
    if (code != ERR_OK) {
        atomic_store(&s->broken, true); /* reopening is safe while no transaction is open */
        return code;
    }
    code = store_keep_lock(s, "owner.lock", &s->owner_fd, e);
    code = code == ERR_OK ? store_keep_lock(s, "train.lock", &s->train_fd, e) : code;
    if (code == ERR_OK && guard_settled(&s->files, &folder)) {
        s->files.compared = folder;
    }
    return code;
}

err_code store_write_commit(store_write *w, err *e)
{
    store *s = w->owner;
    unsigned char record[STATE_RECORD_BYTES];
    uint64_t before = w->seq_before;
    err_code code = still_ours(s, e);
    state_encode(&w->state, record);
    slice value = {(const char *)record, sizeof record};
    if (code == ERR_OK) {
        code = schema_put(w, DB_META, slice_of("state"), value, e);
    }
    if (code != ERR_OK) {
        store_write_abort(w);
        return code;
    }
    int lmdb = mdb_txn_commit(w->txn);
    if (lmdb == 0) {
        mem_free(w);
        leave_turn(s);
        return ERR_OK;
    }
    if (disk_is_full(s, lmdb) && still_at(s, before)) {
        code = err_set(e, ERR_FULL, "committing: no room on the disk: %s", mdb_strerror(lmdb));
    } else {
        atomic_store(&s->broken, true);
        code = err_set(e, ERR_OUTCOME_UNKNOWN,
                       "the commit failed, and the write may or may not be stored: %s",
                       mdb_strerror(lmdb));
    }
    mem_free(w);
    leave_turn(s);
    return code;
}
