/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/migrate.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/env/codec.h"
#include "storage/env/schema.h"

enum { MIGRATE_MAP_SHIFT = 36 };

typedef struct migration {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    int owner_fd, train_fd;
    guard files;
} migration;

/* Format 2: the state record, version 2, ends with the position of an external log, none yet. */
static err_code from_1_to_2(migration *m, err *e)
{
    unsigned char record[STATE_RECORD_BYTES] = {0};
    MDB_val key = val_of("state", 5), value = {0, NULL};
    int rc = mdb_get(m->txn, m->meta, &key, &value);
    if (rc != 0) {
        return schema_error(rc, "reading the state", e);
    }
    const unsigned char *old = value.mv_data;
    if (value.mv_size != STATE_RECORD_V1_BYTES || old[0] != 1) {
        return err_set(e, ERR_CORRUPT, "the state record is not one of format 1");
    }
    memcpy(record, old, STATE_RECORD_V1_BYTES);
    record[0] = 2;
    value = val_of(record, sizeof record);
    return schema_error(mdb_put(m->txn, m->meta, &key, &value, 0), "writing the state", e);
}

/* steps[i] goes from format i + 1 to i + 2. */
static err_code (*const steps[STORE_FORMAT - 1])(migration *m, err *e) = {from_1_to_2};

static err_code get_format(migration *m, uint32_t *format, err *e)
{
    MDB_val key = val_of("format", 6), value = {0, NULL};
    int rc = mdb_dbi_open(m->txn, "meta", 0, &m->meta);
    rc = rc == 0 ? mdb_get(m->txn, m->meta, &key, &value) : rc;
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) {
        return err_set(e, ERR_NOT_FOUND, "data.mdb is not a store of stair");
    }
    if (rc != 0) {
        return schema_error(rc, "reading the store's format", e);
    }
    decoder d;
    decoder_init(&d, slice_of_val(value));
    *format = decode_u32(&d);
    return decoder_check(&d, "the store's format", e);
}

static err_code put_format(migration *m, err *e)
{
    const unsigned char format[4] = {STORE_FORMAT, 0, 0, 0};
    MDB_val key = val_of("format", 6), value = val_of(format, sizeof format);
    return schema_error(mdb_put(m->txn, m->meta, &key, &value, 0), "writing the format", e);
}

static err_code run_steps(migration *m, uint32_t *from, err *e)
{
    err_code rc = get_format(m, from, e);
    if (rc == ERR_OK && *from > STORE_FORMAT) {
        rc = err_set(e, ERR_CONFLICT,
                     "the store has format %u, this stair knows formats up to %d: use the newer "
                     "stair that wrote it",
                     *from, STORE_FORMAT);
    }
    if (rc == ERR_OK && *from == 0) {
        rc = err_set(e, ERR_CORRUPT, "the store has format 0, which never was");
    }
    for (uint32_t at = *from; rc == ERR_OK && at < STORE_FORMAT; at++) {
        rc = steps[at - 1](m, e);
    }
    return rc == ERR_OK && *from < STORE_FORMAT ? put_format(m, e) : rc;
}

static err_code take_locks(migration *m, const char *dir, err *e)
{
    long holder = 0;
    err_code rc = lock_file(dir, "owner.lock", false, false, &m->owner_fd, &holder, e);
    if (rc == ERR_OK) {
        rc = lock_file(dir, "train.lock", false, false, &m->train_fd, &holder, e);
    }
    if (rc == ERR_CONFLICT) {
        return err_set(e, ERR_CONFLICT, "the store %s is in use by process %ld: stop it first", dir,
                       holder);
    }
    return rc;
}

static err_code open_raw(migration *m, const char *dir, err *e)
{
    err_code code = guard_before(dir, e);
    if (code != ERR_OK) {
        return code;
    }
    int rc = mdb_env_create(&m->env);
    rc = rc == 0 ? mdb_env_set_maxdbs(m->env, DB_COUNT + 4) : rc;
    rc = rc == 0 ? mdb_env_set_mapsize(m->env, (size_t)1 << MIGRATE_MAP_SHIFT) : rc;
    rc = rc == 0 ? mdb_env_open(m->env, dir, 0, 0644) : rc;
    code = schema_error(rc, "opening data.mdb", e);
    code = code == ERR_OK ? guard_take(&m->files, dir, true, e) : code;
    return code == ERR_OK
               ? schema_error(mdb_txn_begin(m->env, NULL, 0, &m->txn), "opening data.mdb", e)
               : code;
}

err_code migrate_store(const char *dir, uint32_t *from, err *e)
{
    migration m = {.owner_fd = -1, .train_fd = -1, .files = GUARD_NONE};
    char path[STORE_PATH_MAX];
    struct stat st;
    *from = 0;
    err_code rc = path_join(path, dir, "data.mdb", e);
    if (rc == ERR_OK && stat(path, &st) != 0) {
        rc = err_set(e, ERR_NOT_FOUND, "no store in %s", dir);
    }
    rc = rc == ERR_OK ? take_locks(&m, dir, e) : rc;
    rc = rc == ERR_OK ? open_raw(&m, dir, e) : rc;
    rc = rc == ERR_OK ? run_steps(&m, from, e) : rc;
    if (rc == ERR_OK) {
        rc = schema_error(mdb_txn_commit(m.txn), "committing the new format", e);
    } else if (m.txn != NULL) {
        mdb_txn_abort(m.txn);
    }
    if (m.env != NULL) {
        mdb_env_close(m.env);
    }
    guard_drop(&m.files);
    if (m.train_fd >= 0) {
        close(m.train_fd);
    }
    if (m.owner_fd >= 0) {
        close(m.owner_fd);
    }
    return rc;
}
