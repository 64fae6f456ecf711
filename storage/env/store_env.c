/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_env: opens the LMDB environment, its databases and the lock files around it.
 *
 * LMDB opens lock.mdb first and data.mdb second; an import replaces both files. open.lock makes
 * each of these pairs of steps atomic, so that no process combines an old lock file with new data.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "storage/env/codec.h"
#include "storage/env/schema.h"

static const char *const db_names[DB_COUNT] = {
    [DB_META] = "meta",
    [DB_MODALITIES] = "modalities",
    [DB_TYPES] = "types",
    [DB_ITEMS] = "items",
    [DB_ITEM_IDS] = "item_ids",
    [DB_GONE_IDS] = "gone_ids",
    [DB_USERS] = "users",
    [DB_USER_IDS] = "user_ids",
    [DB_FEATURES] = "features",
    [DB_BY_USER] = "by_user",
    [DB_BY_ITEM] = "by_item",
    [DB_IDEMPOTENCY] = "idempotency",
    [DB_IDEM_TIMES] = "idem_times",
    [DB_OPLOG] = "oplog",
    [DB_PUBLISHERS] = "publishers",
    [DB_GENERATIONS] = "generations",
    [DB_HELD] = "held",
    [DB_BLOBS] = "blobs",
};

const char *schema_db_name(store_db db)
{
    return db_names[db];
}

/* The sizes of the map that are tried, the largest first. A large map takes only addresses; if
 * those are limited, a smaller one is tried. */
static const size_t map_sizes[] = {(size_t)1 << 40, (size_t)1 << 38, (size_t)1 << 36,
                                   (size_t)1 << 34, (size_t)1 << 32, (size_t)1 << 30};

enum { LOCK_TRIES = 16 };

err_code lock_file(const char *dir, const char *name, bool shared, bool wait, int *fd, long *holder,
                   err *e)
{
    char path[STORE_PATH_MAX];
    *fd = -1;
    *holder = 0;
    err_code code = path_join(path, dir, name, e);
    if (code != ERR_OK) {
        return code;
    }
    int how = (shared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB);
    int locked = 0, opened = -1, tries = 0;
    do { /* try again if the name leads to another file by the time of the lock */
        if (opened >= 0) {
            close(opened);
        }
        opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (opened < 0) {
            return err_set(e, ERR_IO, "opening %s: %s", path, strerror(errno));
        }
        do {
            locked = flock(opened, how);
        } while (locked != 0 && errno == EINTR);
    } while (locked == 0 && !file_is(dir, name, opened) && ++tries < LOCK_TRIES);
    if (locked != 0) {
        char digits[32] = "";
        int saved = errno;
        ssize_t got = pread(opened, digits, sizeof digits - 1, 0);
        *holder = got > 0 ? strtol(digits, NULL, 10) : 0;
        close(opened);
        return saved == EWOULDBLOCK ? ERR_CONFLICT
                                    : err_set(e, ERR_IO, "locking %s: %s", path, strerror(saved));
    }
    if (!shared) {
        char digits[32];
        int length = snprintf(digits, sizeof digits, "%ld\n", (long)getpid());
        /* The pid in the file only helps people; the lock works without it. */
        if (ftruncate(opened, 0) != 0 || pwrite(opened, digits, (size_t)length, 0) != length) {
            errno = 0;
        }
    }
    *fd = opened;
    return ERR_OK;
}

void lineage_new(unsigned char lineage[LINEAGE_BYTES])
{
    size_t have = 0;
    while (have < LINEAGE_BYTES) {
        ssize_t got = getrandom(lineage + have, LINEAGE_BYTES - have, 0);
        have += got > 0 ? (size_t)got : 0;
    }
    lineage[6] = (unsigned char)((lineage[6] & 0x0f) | 0x40); /* RFC 9562: version 4 */
    lineage[8] = (unsigned char)((lineage[8] & 0x3f) | 0x80);
}

void store_lineage_text(const unsigned char lineage[LINEAGE_BYTES], char out[LINEAGE_TEXT])
{
    char *at = out;
    for (size_t i = 0; i < LINEAGE_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *at++ = '-';
        }
        at += snprintf(at, 3, "%02x", lineage[i]);
    }
}

static int open_databases(store *s, MDB_txn *txn, bool create)
{
    for (int db = 0; db < DB_COUNT; db++) {
        unsigned flags = create ? MDB_CREATE : 0;
        if (db == DB_BY_USER || db == DB_BY_ITEM) {
            flags |= MDB_DUPSORT | MDB_DUPFIXED;
        }
        int rc = mdb_dbi_open(txn, db_names[db], flags, &s->dbi[db]);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* read_format reads the main database before any other is opened; 0 if it is empty. */
static err_code read_format(MDB_txn *txn, uint32_t *format, err *e)
{
    MDB_dbi main_dbi = 0, meta = 0;
    MDB_stat stat;
    *format = 0;
    int rc = mdb_dbi_open(txn, NULL, 0, &main_dbi);
    rc = rc == 0 ? mdb_stat(txn, main_dbi, &stat) : rc;
    if (rc != 0) {
        return schema_error(rc, "reading the store", e);
    }
    if (stat.ms_entries == 0) {
        return ERR_OK;
    }
    rc = mdb_dbi_open(txn, db_names[DB_META], 0, &meta);
    MDB_val key = val_of("format", 6), value = {0, NULL};
    rc = rc == 0 ? mdb_get(txn, meta, &key, &value) : rc;
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) {
        return err_set(e, ERR_CONFLICT, "data.mdb is not a store of stair");
    }
    if (rc != 0) {
        return schema_error(rc, "reading the store's format", e);
    }
    decoder d;
    decoder_init(&d, slice_of_val(value));
    *format = decode_u32(&d);
    return decoder_check(&d, "the store's format", e);
}

static err_code check_format(const store *s, uint32_t format, err *e)
{
    if (format > STORE_FORMAT) {
        return err_set(e, ERR_CONFLICT,
                       "the store in %s has format %u, this stair reads format %d: use the newer "
                       "stair that wrote it",
                       s->dir, format, STORE_FORMAT);
    }
    if (format < STORE_FORMAT) {
        return err_set(e, ERR_CONFLICT,
                       "the store in %s has the older format %u, this stair reads format %d: copy "
                       "the folder, then run stair migrate --store %s",
                       s->dir, format, STORE_FORMAT, s->dir);
    }
    return ERR_OK;
}

static int put_fresh_state(store *s, MDB_txn *txn)
{
    store_state state;
    unsigned char record[STATE_RECORD_BYTES];
    unsigned char format[4] = {STORE_FORMAT, 0, 0, 0};
    memset(&state, 0, sizeof state);
    lineage_new(state.info.lineage);
    state.next_generation = 1;
    state_encode(&state, record);
    MDB_val key = val_of("format", 6), value = val_of(format, sizeof format);
    int rc = mdb_put(txn, s->dbi[DB_META], &key, &value, 0);
    if (rc == 0) {
        key = val_of("state", 5);
        value = val_of(record, sizeof record);
        rc = mdb_put(txn, s->dbi[DB_META], &key, &value, 0);
    }
    return rc;
}

static err_code open_content(store *s, bool create, err *e)
{
    MDB_txn *txn = NULL;
    uint32_t format = 0;
    bool read_only = s->options.mode == STORE_READ;
    int rc = mdb_txn_begin(s->env, NULL, read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0) {
        return schema_error(rc, "opening the store", e);
    }
    err_code code = read_format(txn, &format, e);
    bool fresh = code == ERR_OK && format == 0;
    if (fresh && (!create || read_only)) {
        code = err_set(e, ERR_NOT_FOUND,
                       "no store in %s: make one with stair import or stair serve", s->dir);
    } else if (code == ERR_OK && !fresh) {
        code = check_format(s, format, e);
    }
    if (code == ERR_OK) {
        rc = open_databases(s, txn, fresh);
        if (rc == 0 && fresh) {
            rc = put_fresh_state(s, txn);
        }
        code = schema_error(rc, "opening the store's databases", e);
    }
    if (code != ERR_OK) {
        mdb_txn_abort(txn);
        return code;
    }
    /* Handles opened in a transaction stay valid only if it commits. */
    return schema_error(mdb_txn_commit(txn), "opening the store", e);
}

static int open_mapped(store *s, size_t map_bytes)
{
    unsigned flags = MDB_NOTLS;
    flags |= s->options.mode == STORE_READ ? MDB_RDONLY : 0;
    flags |= s->options.no_sync ? MDB_NOSYNC : 0;
    int rc = process_env_create(&s->env);
    rc = rc == 0 ? mdb_env_set_maxdbs(s->env, DB_COUNT + 4) : rc;
    rc = rc == 0 ? mdb_env_set_maxreaders(s->env, 1024) : rc;
    rc = rc == 0 ? mdb_env_set_mapsize(s->env, map_bytes) : rc;
    rc = rc == 0 ? mdb_env_open(s->env, s->dir, flags, 0600) : rc;
    if (rc != 0 && s->env != NULL) {
        mdb_env_close(s->env);
        s->env = NULL;
    }
    return rc;
}

/* open_locks opens open.lock twice: once locked while the store is opened, once for the turn to
 * write. */
static err_code open_locks(store *s, int *fd, err *e)
{
    char path[STORE_PATH_MAX];
    long holder = 0;
    *fd = -1;
    if (access(s->dir, W_OK) != 0) {
        return ERR_OK; /* in a folder that this process may only read, no import runs either */
    }
    err_code code = lock_file(s->dir, "open.lock", true, true, fd, &holder, e);
    if (code == ERR_OK && s->options.mode != STORE_READ) {
        code = path_join(path, s->dir, "open.lock", e);
        if (code == ERR_OK) {
            code = turn_open(&s->writing, path, e);
        }
    }
    return code;
}

/* map_most returns half of the address space, because the rest of the process needs some. */
static size_t map_most(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
               ? (size_t)limit.rlim_cur / 2
               : SIZE_MAX;
}

static err_code map_data(store *s, err *e)
{
    const size_t sizes = sizeof map_sizes / sizeof map_sizes[0], most = map_most();
    uint64_t quota = s->options.quota_bytes;
    int rc = ENOMEM;
    if (quota > 0) {
        rc = open_mapped(s, (size_t)(quota + 2 * quota_reserve(quota)) / 4096 * 4096);
    }
    for (size_t i = 0; quota == 0 && rc == ENOMEM && i < sizes; i++) {
        if (map_sizes[i] <= most || i == sizes - 1) {
            rc = open_mapped(s, map_sizes[i]);
        }
    }
    if (rc == ENOMEM) {
        return err_set(
            e, ERR_NOMEM,
            "opening data.mdb: not enough address space for its map: raise the limit (ulimit -v)%s",
            quota > 0 ? ", or lower the quota" : "");
    }
    return schema_error(rc, "opening data.mdb", e);
}

/* remove_made removes a data.mdb whose creation failed: it is no store, and would obstruct the next
 * try. */
static void remove_made(const store *s)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char path[STORE_PATH_MAX];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (path_join(path, s->dir, files[i], NULL) == ERR_OK) {
            (void)unlink(path);
        }
    }
}

/* open_guarded checks first that the folder may be opened, because LMDB creates missing files. */
static err_code open_guarded(store *s, bool create, err *e)
{
    bool made = create && has_data(s->dir, NULL) == ERR_NOT_FOUND;
    err_code code = guard_before(s->dir, e);
    if (code == ERR_OK && !create) {
        code = has_data(s->dir, e);
    }
    if (code == ERR_OK) {
        code = map_data(s, e);
    }
    if (code != ERR_OK) {
        if (made) {
            remove_made(s);
        }
        return code;
    }
    code = guard_take(&s->files, s->dir, s->options.mode == STORE_OWNER, e);
    turn_take(&s->writing);
    if (code == ERR_OK) {
        code = open_content(s, create, e);
    }
    turn_give(&s->writing);
    if (code != ERR_OK) {
        env_close(s);
    }
    if (code != ERR_OK && made) {
        remove_made(s);
    }
    return code;
}

err_code env_open(store *s, bool create, err *e)
{
    int fd = -1;
    err_code code = open_locks(s, &fd, e);
    if (code == ERR_OK) {
        code = open_guarded(s, create, e);
    }
    if (fd >= 0) {
        close(fd);
    }
    return code;
}

err_code env_copy(MDB_env *env, const char *to, err *e)
{
    char path[STORE_PATH_MAX];
    err_code code = path_join(path, to, "data.mdb", e);
    if (code != ERR_OK) {
        return code;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = fd < 0 ? errno : mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);
    rc = fd >= 0 && close(fd) != 0 && rc == 0 ? errno : rc;
    return schema_error(rc, "copying the store", e);
}

void env_close(store *s)
{
    while (s->resting != NULL) {
        store_read *r = s->resting;
        s->resting = r->next;
        mdb_txn_abort(r->txn);
        mem_free(r);
    }
    s->resting_count = 0;
    if (s->env != NULL) {
        mdb_env_close(s->env);
        s->env = NULL;
    }
    guard_drop(&s->files);
    turn_close(&s->writing);
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
                       "process %ld uses the new one: nothing was stored",
                       name, holder);
    }
    if (code == ERR_OK) {
        close(*fd);
        *fd = again;
    }
    return code;
}
