/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/snapshots.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/common/sort.h"
#include "server/cluster/log_stream.h"
#include "server/telemetry/clock.h"
#include "storage/maintenance/snapshot.h"

static const char prefix[] = "snapshot.", copy_name[] = "cluster.snapshot";

/* --- files --- */

static err_code path_of(char out[PATH_MAX], const char *dir, const char *name, err *e)
{
    return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX
               ? ERR_OK
               : err_set(e, ERR_INVALID, "the store's path is too long");
}

static err_code read_file(void *ctx, void *out, size_t room, size_t *got, err *e)
{
    ssize_t count = read(*(int *)ctx, out, room);
    *got = count > 0 ? (size_t)count : 0;
    return count >= 0 ? ERR_OK : err_set(e, ERR_IO, "reading a snapshot: %s", strerror(errno));
}

static err_code write_file(void *ctx, const void *bytes, size_t count, err *e)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t done = write(*(int *)ctx, at, count);
        if (done < 0 && errno != EINTR) {
            return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "writing a snapshot: %s",
                           strerror(errno));
        }
        at += done > 0 ? done : 0;
        count -= done > 0 ? (size_t)done : 0;
    }
    return ERR_OK;
}

/* remove_copy removes the files of the copy and leaves any other file alone. */
static void remove_copy(const char *dir)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "open.lock"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (path_of(path, dir, names[i], NULL) == ERR_OK) {
            (void)unlink(path);
        }
    }
    (void)rmdir(dir);
}

/* --- putting --- */

static err_code read_facts(const char *copy, cluster_snapshot *x, err *e)
{
    store *s = NULL;
    store_info info;
    const store_options how = {.mode = STORE_READ};
    err_code code = store_open(&s, copy, &how, e);
    code = code == ERR_OK ? store_stat(s, &info, e) : code;
    store_close(s);
    if (code != ERR_OK) {
        return code;
    }
    x->seq = info.seq;
    store_lineage_text(info.lineage, x->lineage);
    return log_position_read(info.external, &x->position)
               ? ERR_OK
               : err_set(e, ERR_CONFLICT, "the store has no position in a log");
}

static json_t *entry_of(const cluster_snapshot *x)
{
    json_t *entry = parcel_json(&x->file);
    json_t *more = json_pack("{s:s,s:I,s:I,s:I,s:I}", "lineage", x->lineage, "position",
                             (json_int_t)x->position, "seq", (json_int_t)x->seq, "log_bytes",
                             (json_int_t)x->log_bytes, "created", (json_int_t)clock_now());
    if (json_object_update(entry, more) != 0) {
        json_decref(entry);
        entry = NULL;
    }
    json_decref(more);
    return entry;
}

static err_code put_copy(parcels *b, const char *copy, cluster_snapshot *x, err *e)
{
    char path[PATH_MAX];
    err_code code = read_facts(copy, x, e);
    code = code == ERR_OK ? path_of(path, copy, "data.mdb", e) : code;
    if (code != ERR_OK) {
        return code;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(e, ERR_IO, "opening %s: %s", path, strerror(errno));
    }
    parcel_name(&x->file, "snapshot");
    code = parcel_put(b, &x->file, read_file, &fd, e);
    close(fd);
    if (code == ERR_OK) {
        snprintf(x->key, sizeof x->key, "%s%020" PRIu64 "%s", prefix, x->position,
                 x->file.id + strlen("snapshot"));
        code = parcel_index_put(b, x->key, entry_of(x), e);
    }
    return code;
}

err_code snapshots_put(parcels *b, store *s, uint64_t log_bytes, err *e)
{
    char copy[PATH_MAX];
    cluster_snapshot x = {.log_bytes = log_bytes};
    err_code code = path_of(copy, store_dir(s), copy_name, e);
    if (code != ERR_OK) {
        return code;
    }
    remove_copy(copy);
    code = snapshot_write(s, copy, NULL, NULL, NULL, NULL, e);
    code = code == ERR_OK ? put_copy(b, copy, &x, e) : code;
    remove_copy(copy);
    return code;
}

void snapshots_clean(const store *s)
{
    char copy[PATH_MAX];
    if (path_of(copy, store_dir(s), copy_name, NULL) == ERR_OK) {
        remove_copy(copy);
    }
}

/* --- listing --- */

static bool read_entry(cluster_snapshot *x, const char *key, const json_t *entry)
{
    const char *lineage = json_string_value(json_object_get(entry, "lineage"));
    memset(x, 0, sizeof *x);
    if (strncmp(key, prefix, strlen(prefix)) != 0 || strlen(key) >= sizeof x->key ||
        lineage == NULL || !parcel_from_json(&x->file, entry)) {
        return false;
    }
    snprintf(x->key, sizeof x->key, "%s", key);
    snprintf(x->lineage, sizeof x->lineage, "%s", lineage);
    x->position = (uint64_t)json_integer_value(json_object_get(entry, "position"));
    x->seq = (uint64_t)json_integer_value(json_object_get(entry, "seq"));
    x->log_bytes = (uint64_t)json_integer_value(json_object_get(entry, "log_bytes"));
    x->stored = json_integer_value(json_object_get(entry, "stored"));
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const cluster_snapshot *left = a, *right = b;
    if (left->position != right->position) {
        return left->position > right->position ? -1 : 1;
    }
    return (left->stored < right->stored) - (left->stored > right->stored);
}

size_t snapshots_of(const json_t *index, cluster_snapshot out[SNAPSHOTS_MAX])
{
    size_t count = 0;
    const char *key = NULL;
    json_t *entry = NULL;
    json_object_foreach((json_t *)(uintptr_t)index, key, entry)
    {
        if (count < SNAPSHOTS_MAX && read_entry(&out[count], key, entry)) {
            count++;
        }
    }
    sort_array(out, count, sizeof *out, newest_first);
    return count;
}

err_code snapshots_remove(parcels *b, const cluster_snapshot *x, err *e)
{
    err_code code = parcel_index_remove(b, x->key, e);
    return code == ERR_OK ? parcel_purge(b, x->file.id, e) : code;
}

/* --- fetching --- */

static err_code sync_folder(const char *dir, err *e)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return synced ? ERR_OK : err_set(e, ERR_IO, "syncing %s: %s", dir, strerror(errno));
}

static err_code fetch_into(parcels *b, const cluster_snapshot *x, const char *part, err *e)
{
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "making %s: %s", part,
                       strerror(errno));
    }
    err_code code = parcel_get(b, &x->file, write_file, &fd, e);
    if (code == ERR_OK && fsync(fd) != 0) {
        code = err_set(e, ERR_IO, "syncing %s: %s", part, strerror(errno));
    }
    close(fd);
    return code;
}

err_code snapshots_fetch(parcels *b, const cluster_snapshot *x, const char *dir, err *e)
{
    char part[PATH_MAX], data[PATH_MAX];
    err_code code = path_of(part, dir, "data.mdb.part", e);
    code = code == ERR_OK ? path_of(data, dir, "data.mdb", e) : code;
    if (code != ERR_OK) {
        return code;
    }
    if (access(data, F_OK) == 0) {
        return err_set(e, ERR_CONFLICT, "%s holds a store already", dir);
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return err_set(e, ERR_IO, "making the folder %s: %s", dir, strerror(errno));
    }
    code = fetch_into(b, x, part, e);
    if (code == ERR_OK && rename(part, data) != 0) {
        code = err_set(e, ERR_IO, "renaming %s: %s", part, strerror(errno));
    }
    if (code != ERR_OK) {
        (void)unlink(part);
        return code;
    }
    return sync_folder(dir, e);
}
