/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_inspect reads what a copy contains without creating a file in its folder: its later
 * owner creates its own lock files. */
#include <sys/stat.h>

#include "storage/env/codec.h"
#include "storage/env/schema.h"
#include "storage/maintenance/snapshot.h"

/* check_whole checks the file's length: reading the missing pages of a file that was cut off would
 * crash the process. */
static err_code check_whole(MDB_env *env, const char *dir, uint64_t bytes, err *e)
{
    MDB_envinfo info;
    MDB_stat stat;
    int rc = mdb_env_info(env, &info);
    rc = rc == 0 ? mdb_env_stat(env, &stat) : rc;
    if (rc != 0) {
        return schema_error(rc, "reading a snapshot", e);
    }
    uint64_t expected = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    if (bytes < expected) {
        return err_set(e, ERR_CORRUPT, "data.mdb in %s has %llu bytes, expected %llu", dir,
                       (unsigned long long)bytes, (unsigned long long)expected);
    }
    return ERR_OK;
}

/* read_seq reads the seq, if the copy has this version's format. A copy of another format stores
 * its state differently, but is a store for the version that wrote it. */
static err_code read_seq(MDB_txn *txn, snapshot_facts *out, err *e)
{
    MDB_dbi meta = 0;
    MDB_val key = val_of("format", 6), value = {0, NULL};
    store_state state;
    decoder d;
    int rc = mdb_dbi_open(txn, "meta", 0, &meta);
    rc = rc == 0 ? mdb_get(txn, meta, &key, &value) : rc;
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) {
        return err_set(e, ERR_NOT_FOUND, "data.mdb is not a store of stair");
    }
    if (rc != 0) {
        return schema_error(rc, "reading a snapshot", e);
    }
    decoder_init(&d, slice_of_val(value));
    uint32_t format = decode_u32(&d);
    err_code code = decoder_check(&d, "the snapshot's format", e);
    if (code != ERR_OK || format != STORE_FORMAT) {
        return code;
    }
    key = val_of("state", 5);
    rc = mdb_get(txn, meta, &key, &value);
    code = rc == 0 ? state_decode(&state, slice_of_val(value), e)
                   : schema_error(rc, "reading a snapshot", e);
    out->seq_known = code == ERR_OK;
    out->seq = out->seq_known ? state.info.seq : 0;
    return code;
}

static err_code inspect(MDB_env *env, const char *dir, snapshot_facts *out, err *e)
{
    MDB_txn *txn = NULL;
    int rc = mdb_env_set_maxdbs(env, 1);
    rc = rc == 0 ? mdb_env_set_mapsize(env, out->bytes) : rc;
    rc = rc == 0 ? mdb_env_open(env, dir, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0) : rc;
    err_code code = schema_error(rc, "opening a snapshot", e);
    if (code == ERR_OK) {
        code = check_whole(env, dir, out->bytes, e);
    }
    if (code == ERR_OK) {
        code = schema_error(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "reading a snapshot", e);
    }
    if (code == ERR_OK) {
        code = read_seq(txn, out, e);
        mdb_txn_abort(txn);
    }
    return code;
}

err_code snapshot_inspect(const char *dir, snapshot_facts *out, err *e)
{
    char path[STORE_PATH_MAX];
    struct stat there;
    MDB_env *env = NULL;
    *out = (snapshot_facts){.seq_known = false};
    err_code code = path_join(path, dir, "data.mdb", e);
    if (code != ERR_OK) {
        return code;
    }
    if (stat(path, &there) != 0 || !S_ISREG(there.st_mode) || there.st_size == 0) {
        return err_set(e, ERR_NOT_FOUND, "no store in %s", dir);
    }
    out->bytes = (uint64_t)there.st_size;
    out->made = (int64_t)there.st_mtime;
    code = schema_error(mdb_env_create(&env), "opening a snapshot", e);
    if (code == ERR_OK) {
        code = inspect(env, dir, out, e);
        mdb_env_close(env);
    }
    return code;
}
