/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: replaces the content of a store in one step, for import and migrate.
 *
 * The new content is written to a staged copy without syncing, because thousands of synced commits
 * would slow an import. The copy is synced once, at the end, and then renamed over data.mdb. LMDB's
 * lock file belongs to the data file that it was created for, so the same step removes it.
 * Meanwhile open.lock keeps other processes from opening the store: a process that opened it before
 * keeps the old pair of files, and one that opens it later gets the new pair.
 *
 * The staged store holds train.lock from the copy to the rename, because whatever a training
 * committed to the old content after the copy would be lost.
 */
#include "storage/env/stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "storage/env/schema.h"

static const char *const stage_name = "import.tmp";

/* remove_store removes the files of a store, and then the folder if it is empty. */
static err_code remove_store(const char *folder, err *e)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "open.lock", "owner.lock",
                                        "train.lock"};
    char path[STORE_PATH_MAX];
    struct stat st;
    err_code code = ERR_OK;
    if (lstat(folder, &st) == 0 && S_ISLNK(st.st_mode)) { /* never follow a link */
        return unlink(folder) == 0 ? ERR_OK
                                   : err_set(e, ERR_IO, "removing %s: %s", folder, strerror(errno));
    }
    for (size_t i = 0; code == ERR_OK && i < sizeof files / sizeof files[0]; i++) {
        code = path_join(path, folder, files[i], e);
        if (code == ERR_OK && unlink(path) != 0 && errno != ENOENT) {
            code = err_set(e, ERR_IO, "removing %s: %s", path, strerror(errno));
        }
    }
    if (code == ERR_OK && rmdir(folder) != 0 && errno != ENOENT) {
        code = err_set(e, ERR_IO, "removing %s: %s", folder, strerror(errno));
    }
    return code;
}

err_code stage_remove(const char *dir, err *e)
{
    char stage[STORE_PATH_MAX];
    err_code code = path_join(stage, dir, stage_name, e);
    return code == ERR_OK ? remove_store(stage, e) : code;
}

err_code stage_make(const char *dir, char stage[STORE_PATH_MAX], err *e)
{
    err_code code = stage_remove(dir, e);
    if (code == ERR_OK) {
        code = path_join(stage, dir, stage_name, e);
    }
    if (code == ERR_OK && mkdir(stage, 0700) != 0) {
        code = err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "making %s: %s", stage,
                       strerror(errno));
    }
    return code;
}

void store_discard(store *owner)
{
    if (owner != NULL) {
        /* before the locks are released, so that no process opens a half-removed store */
        remove_store(owner->dir, NULL);
        store_close(owner);
    }
}

/* set_identity gives the staged store a new lineage, because replaced content counts as another
 * store; only the numbering of ops continues. */
static err_code set_identity(store *staged, const store_info *owner, err *e)
{
    store_write *w = NULL;
    err_code code = store_write_begin(staged, &w, e);
    if (code != ERR_OK) {
        return code;
    }
    lineage_new(w->state.info.lineage);
    memset(w->state.info.external, 0, sizeof w->state.info.external);
    w->state.info.seq = owner->seq;
    return store_write_commit(w, e);
}

/* hand_train_lock moves the train lock to the store object that will release it: the staged store,
 * or back to the owner. */
static void hand_train_lock(store *from, store *to)
{
    to->train_fd = from->train_fd;
    from->train_fd = -1;
}

err_code store_stage_begin(store *owner, bool merge, store **staged, err *e)
{
    char stage[STORE_PATH_MAX];
    store_info info;
    *staged = NULL;
    err_code code = store_train_lock(owner, e);
    if (code != ERR_OK) {
        return code;
    }
    code = stage_make(owner->dir, stage, e);
    if (code == ERR_OK) {
        code = store_stat(owner, &info, e);
    }
    if (code == ERR_OK && merge) {
        code = env_copy(owner->env, stage, e);
    }
    store_options options = owner->options;
    options.mode = STORE_BESIDE;
    options.create = true;
    options.no_sync = true;
    if (code == ERR_OK) {
        code = store_open(staged, stage, &options, e);
    }
    if (code == ERR_OK) {
        code = set_identity(*staged, &info, e);
    }
    if (code != ERR_OK) {
        store_close(*staged);
        *staged = NULL;
        store_train_unlock(owner);
        stage_remove(owner->dir, NULL); /* the next open tries again */
        return code;
    }
    hand_train_lock(owner, *staged);
    return ERR_OK;
}

void store_stage_abort(store *staged)
{
    if (staged == NULL) {
        return;
    }
    char parent[STORE_PATH_MAX];
    size_t length = strlen(staged->dir) - strlen(stage_name) - 1;
    snprintf(parent, sizeof parent, "%.*s", (int)length, staged->dir);
    store_close(staged);
    stage_remove(parent, NULL);
}

static err_code number_flip(store *staged, err *e)
{
    store_write *w = NULL;
    err_code code = ERR_OK;
    if (store_quota_room(staged, 1) == 0) { /* deletions may use the rest */
        code = err_set(e, ERR_FULL, "the imported content takes more than the quota of %.1f MiB",
                       (double)staged->options.quota_bytes / (1024 * 1024));
    }
    if (code == ERR_OK) {
        code = store_write_begin(staged, &w, e);
    }
    if (code == ERR_OK) {
        w->state.info.seq++;
        w->state.info.data_seq = w->state.info.seq;
        code = store_write_commit(w, e);
    }
    int lmdb = code == ERR_OK ? mdb_env_sync(staged->env, 1) : 0;
    return code == ERR_OK ? schema_error(lmdb, "syncing the imported content", e) : code;
}

/* stage_replace needs both environments closed, so that this process cannot combine the old lock
 * file with the new data. */
err_code stage_replace(const char *dir, err *e)
{
    char stage[STORE_PATH_MAX], from[STORE_PATH_MAX] = "", to[STORE_PATH_MAX] = "",
                                lock[STORE_PATH_MAX] = "";
    int fd = -1;
    long holder = 0;
    err_code code = path_join(stage, dir, stage_name, e);
    if (code == ERR_OK) {
        code = path_join(from, stage, "data.mdb", e);
    }
    if (code == ERR_OK) {
        code = path_join(to, dir, "data.mdb", e);
    }
    if (code == ERR_OK) {
        code = path_join(lock, dir, "lock.mdb", e);
    }
    if (code == ERR_OK) {
        code = lock_file(dir, "open.lock", false, true, &fd, &holder, e);
    }
    if (code == ERR_OK && unlink(lock) != 0 && errno != ENOENT) {
        code = err_set(e, ERR_IO, "removing %s: %s", lock, strerror(errno));
    }
    if (code == ERR_OK && rename(from, to) != 0) {
        code = err_set(e, ERR_IO, "renaming %s: %s", from, strerror(errno));
    }
    if (code == ERR_OK) {
        code = path_sync(dir, e);
    }
    if (fd >= 0) {
        close(fd);
    }
    stage_remove(dir, NULL); /* the next open tries again */
    return code;
}

err_code store_stage_flip(store *owner, store *staged, err *e)
{
    err_code code = number_flip(staged, e);
    if (code != ERR_OK) {
        store_stage_abort(staged);
        return code;
    }
    hand_train_lock(staged, owner);
    store_close(staged);
    exclusive_begin(owner);
    env_close(owner);
    code = stage_replace(owner->dir, e);
    err_code opened = env_open(owner, false, code == ERR_OK ? e : NULL);
    exclusive_end(owner);
    store_train_unlock(owner);
    return code != ERR_OK ? code : opened;
}
