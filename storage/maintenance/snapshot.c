/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/env/schema.h"

static void remove_draft(const char *draft)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "open.lock"};
    char path[STORE_PATH_MAX];
    struct stat st;
    if (lstat(draft, &st) == 0 && S_ISLNK(st.st_mode)) {
        (void)unlink(draft); /* remove the link, not its target */
        return;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (path_join(path, draft, files[i], NULL) == ERR_OK) {
            (void)unlink(path);
        }
    }
    (void)rmdir(draft);
}

static err_code mark_copy(const char *draft, uint64_t *bytes, uint64_t *seq, err *e)
{
    store *copy = NULL;
    store_write *w = NULL;
    store_info info = {0};
    store_options options = {.mode = STORE_BESIDE, .no_sync = true};
    err_code code = store_open(&copy, draft, &options, e);
    if (code == ERR_OK) {
        code = store_write_begin(copy, &w, e);
    }
    if (code == ERR_OK) {
        w->state.snapshot = true;
        code = store_write_commit(w, e);
    }
    if (code == ERR_OK) {
        code = schema_error(mdb_env_sync(copy->env, 1), "syncing the snapshot", e);
    }
    if (code == ERR_OK) {
        code = store_stat(copy, &info, e);
    }
    if (code == ERR_OK && bytes != NULL) {
        *bytes = info.file_bytes;
    }
    if (code == ERR_OK && seq != NULL) {
        *seq = info.seq;
    }
    store_close(copy);
    return code;
}

static err_code publish(const char *draft, const char *to, err *e)
{
    char path[STORE_PATH_MAX], parent[STORE_PATH_MAX];
    /* Lock files belong to this machine and moment; the copy's owner creates its own. */
    static const char *const locks[] = {"lock.mdb", "open.lock"};
    for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++) {
        err_code joined = path_join(path, draft, locks[i], e);
        if (joined != ERR_OK) {
            return joined;
        }
        (void)unlink(path);
    }
    err_code code = path_sync(draft, e);
    if (code == ERR_OK && rename(draft, to) != 0) {
        code = errno == EEXIST || errno == ENOTEMPTY
                   ? err_set(e, ERR_CONFLICT, "%s exists", to)
                   : err_set(e, ERR_IO, "renaming %s: %s", draft, strerror(errno));
    }
    snprintf(parent, sizeof parent, "%s", to);
    size_t length = strlen(parent);
    while (length > 0 && parent[length - 1] == '/') {
        parent[--length] = '\0';
    }
    char *cut = strrchr(parent, '/');
    if (cut != NULL) {
        cut[cut == parent ? 1 : 0] = '\0';
    }
    return code == ERR_OK ? path_sync(cut != NULL ? parent : ".", e) : code;
}

err_code snapshot_write(store *s, const char *to, bool (*cancelled)(void *ctx), void *ctx,
                        uint64_t *bytes, uint64_t *seq, err *e)
{
    char draft[STORE_PATH_MAX];
    struct stat st;
    store_read *r = NULL;
    if (stat(to, &st) == 0) {
        return err_set(e, ERR_CONFLICT, "%s exists", to);
    }
    int length = (int)strlen(to);
    while (length > 1 && to[length - 1] == '/') {
        length--;
    }
    /* The API allows no ~ in a name, so a draft is never mistaken for another snapshot. */
    if (snprintf(draft, sizeof draft, "%.*s.draft~", length, to) >= (int)sizeof draft) {
        return err_set(e, ERR_INVALID, "path too long: %.60s...", to);
    }
    remove_draft(draft); /* left by a killed process */
    if (mkdir(draft, 0700) != 0) {
        return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "making %s: %s", draft,
                       strerror(errno));
    }
    /* The read transaction keeps the environment open during the copy. */
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = env_copy(s->env, draft, e);
    }
    store_read_end(r);
    if (code == ERR_OK && cancelled != NULL && cancelled(ctx)) {
        code = err_set(e, ERR_CANCELLED, "interrupted");
    }
    if (code == ERR_OK) {
        code = mark_copy(draft, bytes, seq, e);
    }
    if (code == ERR_OK) {
        code = publish(draft, to, e);
    }
    if (code != ERR_OK) {
        remove_draft(draft);
    }
    return code;
}
