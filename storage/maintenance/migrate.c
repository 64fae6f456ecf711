/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/migrate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "storage/env/codec.h"
#include "storage/env/schema.h"
#include "storage/env/stage.h"
#include "storage/log/op.h"
#include "storage/maintenance/migrate_records.h"
#include "storage/models/model_private.h"
#include "storage/records/records.h"

enum { MIGRATE_MAP_SHIFT = 38, GROUP_BYTES = 32 * 1024 * 1024, RECORD_ARENA = 64 * 1024 * 1024 };

typedef struct migration {
    MDB_env *env; /* the old store */
    MDB_txn *txn; /* reads it */
    int owner_fd, train_fd;
    guard files;
    store *made;    /* the new content */
    store_write *w; /* the open transaction of the new store, or NULL */
    size_t written; /* bytes written in this transaction */
    int64_t clock;  /* time of the newest stored answer */
    arena memory;
    encoder record;
    migrate_report *report;
} migration;

/* --- the new store's transactions: of bounded size, which bounds memory --- */

static err_code group_end(migration *m, err *e)
{
    store_write *w = m->w;
    m->w = NULL;
    m->written = 0;
    return w != NULL ? store_write_commit(w, e) : ERR_OK;
}

static err_code group(migration *m, size_t bytes, err *e)
{
    err_code code = ERR_OK;
    if (m->written > GROUP_BYTES) {
        code = group_end(m, e);
        store_forget_pages(m->made);
        env_forget_pages(m->env);
    }
    m->written += bytes;
    return code == ERR_OK && m->w == NULL ? store_write_begin(m->made, &m->w, e) : code;
}

static err_code append(migration *m, store_db db, slice key, slice value, err *e)
{
    err_code code = group(m, key.length + value.length + 16, e);
    return code == ERR_OK ? schema_append(m->w, db, key, value, e) : code;
}

/* --- reading the old store --- */

static err_code old_dbi(migration *m, store_db db, MDB_dbi *dbi, err *e)
{
    bool sides = db == DB_BY_USER || db == DB_BY_ITEM;
    int rc = mdb_dbi_open(m->txn, schema_db_name(db), sides ? MDB_DUPSORT | MDB_DUPFIXED : 0, dbi);
    return schema_error(rc, "reading the older store", e);
}

/* old_get reads a value of the old store. ERR_NOT_FOUND leaves `e` unset. */
static err_code old_get(migration *m, store_db db, slice key, slice *value, err *e)
{
    MDB_dbi dbi = 0;
    MDB_val k = val_of(key.at, key.length), v = {0, NULL};
    err_code code = old_dbi(m, db, &dbi, e);
    if (code != ERR_OK) {
        return code;
    }
    int lmdb = mdb_get(m->txn, dbi, &k, &v);
    *value = slice_of_val(v);
    return lmdb == MDB_NOTFOUND ? ERR_NOT_FOUND : schema_error(lmdb, "reading the older store", e);
}

typedef err_code (*old_visit)(migration *m, store_db db, slice key, slice value, err *e);

static err_code old_each(migration *m, store_db db, old_visit visit, err *e)
{
    MDB_dbi dbi = 0;
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    err_code code = old_dbi(m, db, &dbi, e);
    if (code != ERR_OK) {
        return code;
    }
    int rc = mdb_cursor_open(m->txn, dbi, &cursor);
    rc = rc == 0 ? mdb_cursor_get(cursor, &k, &v, MDB_FIRST) : rc;
    while (rc == 0 && code == ERR_OK) {
        code = visit(m, db, slice_of_val(k), slice_of_val(v), e);
        rc = code == ERR_OK ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : rc;
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    if (code == ERR_CORRUPT) {
        return err_context(e, "the older store's %s", schema_db_name(db));
    }
    return code != ERR_OK || rc == MDB_NOTFOUND ? code
                                                : schema_error(rc, "reading the older store", e);
}

/* --- converting the records --- */

static err_code copy(migration *m, store_db db, slice key, slice value, err *e)
{
    return append(m, db, key, value, e);
}

static err_code convert(migration *m, store_db db, slice key, slice value, err *e)
{
    encoder_clear(&m->record);
    err_code code = old_record(db, key, value, &m->record, e);
    return code == ERR_OK ? append(m, db, key, encoder_slice(&m->record), e) : code;
}

/* convert_item converts an item. Items are read in order of rows, so the earlier rows of an id are
 * known: a later row gets its predecessor, as the new format wants. */
static err_code convert_item(migration *m, store_db db, slice key, slice value, err *e)
{
    stored_item it;
    arena_reset(&m->memory);
    encoder_clear(&m->record);
    err_code code = old_item(value, &m->memory, &it, e);
    if (code == ERR_OK) {
        code = group(m, 0, e);
    }
    if (code == ERR_OK) {
        code = item_gone(store_write_reads(m->w), it.id, &it.predecessor, e);
    }
    if (code == ERR_OK && it.deleted) {
        code = schema_put(m->w, DB_GONE_IDS, it.id, key, e);
    } else if (code == ERR_OK && it.predecessor != 0) {
        code = schema_delete(m->w, DB_GONE_IDS, it.id, e);
    }
    if (code == ERR_OK) {
        item_encode(&it, &m->record);
        code = encoder_check(&m->record, "item", e);
    }
    return code == ERR_OK ? append(m, db, key, encoder_slice(&m->record), e) : code;
}

/* convert_kept converts a stored answer or the time that expires it. In an older version, an
 * erasure could garble a key and leave one without the other; such records are dropped. */
static err_code convert_kept(migration *m, store_db db, slice key, slice value, err *e)
{
    unsigned char at[8 + IDEMPOTENCY_KEY_BYTES_MAX];
    slice by_time = {(const char *)at, 8 + key.length}, found;
    int64_t time = 0;
    err_code code = ERR_NOT_FOUND;
    if (key.length <= IDEMPOTENCY_KEY_BYTES_MAX && old_kept_time(value, &time, NULL) == ERR_OK) {
        put_be64(at, (uint64_t)time);
        memcpy(at + 8, key.at, key.length);
        code = old_get(m, DB_IDEM_TIMES, by_time, &found, e);
    }
    if (code == ERR_NOT_FOUND) {
        m->report->dropped++;
        return ERR_OK;
    }
    return code == ERR_OK ? convert(m, db, key, value, e) : code;
}

static err_code copy_time(migration *m, store_db db, slice key, slice value, err *e)
{
    slice found;
    int64_t time = 0;
    err_code code = ERR_NOT_FOUND;
    if (key.length > 8) {
        code = old_get(m, DB_IDEMPOTENCY, (slice){key.at + 8, key.length - 8}, &found, e);
    }
    if (code == ERR_OK &&
        (old_kept_time(found, &time, NULL) != ERR_OK || (uint64_t)time != get_be64(key.at))) {
        code = ERR_NOT_FOUND;
    }
    if (code == ERR_NOT_FOUND) {
        m->report->dropped++;
        return ERR_OK;
    }
    m->clock = code == ERR_OK && time > m->clock ? time : m->clock;
    return code == ERR_OK ? append(m, db, key, value, e) : code;
}

/* convert_generation converts a generation. A finished one was registered by its training, so it
 * keeps its number. An unfinished one is left out: no training is running on this store. */
static err_code convert_generation(migration *m, store_db db, slice key, slice value, err *e)
{
    generation_info info;
    (void)db;
    if (key.length != 4) {
        return err_set(e, ERR_CORRUPT, "a key of %zu bytes", key.length);
    }
    err_code code = old_generation(value, &info, e);
    if (code != ERR_OK || info.state != GENERATION_READY) {
        return code;
    }
    info.number = get_be32(key.at);
    info.state = GENERATION_REGISTERED;
    code = old_generation_id(info.lineage, info.number, &info.id, e);
    if (code == ERR_OK) {
        code = group(m, 2 * value.length, e);
    }
    if (code == ERR_OK) {
        code = generation_put_record(m->w, &info, e);
    }
    info.summary = (slice){NULL, 0};
    return code == ERR_OK ? held_put(m->w, &info, e) : code;
}

static err_code convert_blob(migration *m, store_db db, slice key, slice value, err *e)
{
    generation_info info;
    unsigned char made[SCHEMA_KEY_BYTES_MAX];
    if (key.length < 6 || key.length + GENERATION_ID_BYTES > sizeof made) {
        return err_set(e, ERR_CORRUPT, "a key of %zu bytes", key.length);
    }
    encoder_clear(&m->record);
    err_code code = group(m, key.length + value.length, e);
    if (code == ERR_OK) {
        code = generation_borrow(store_write_reads(m->w), get_be32(key.at), &info, NULL);
    }
    if (code == ERR_NOT_FOUND) {
        return ERR_OK; /* it belongs to a generation that was left out */
    }
    if (code != ERR_OK) {
        return err_set(e, code, "a generation's record is damaged");
    }
    memcpy(made, info.id.bytes, GENERATION_ID_BYTES);
    memcpy(made + GENERATION_ID_BYTES, key.at + 4, key.length - 4);
    slice id_key = {(const char *)made, key.length - 4 + GENERATION_ID_BYTES};
    code = old_record(db, key, value, &m->record, e);
    return code == ERR_OK ? schema_put(m->w, db, id_key, encoder_slice(&m->record), e) : code;
}

/* seal_generation writes a generation's SHA-256 once its tables are complete. */
static err_code seal_generation(migration *m, const generation_info *tables, err *e)
{
    generation_info info = *tables;
    uint32_t number = 0;
    err_code code = generation_sum(m->made, &info.id, info.sha256, e);
    if (code == ERR_OK) {
        code = group(m, 0, e);
    }
    if (code == ERR_OK) {
        code = held_put(m->w, &info, e);
    }
    if (code == ERR_OK) {
        code = generation_number(store_write_reads(m->w), &info.id, &number, e);
    }
    if (code == ERR_OK) {
        generation_info record;
        arena_reset(&m->memory);
        code = generation_get(store_write_reads(m->w), number, &m->memory, &record, e);
        memcpy(record.sha256, info.sha256, sizeof record.sha256);
        if (code == ERR_OK) {
            code = generation_put_record(m->w, &record, e);
        }
    }
    if (code == ERR_OK) {
        code = group_end(m, e);
    }
    store_forget_pages(m->made);
    return code;
}

static err_code seal_generations(migration *m, err *e)
{
    store_read *r = NULL;
    generation_info *list = NULL;
    size_t count = 0;
    err_code code = store_read_begin(m->made, &r, e);
    if (code == ERR_OK) {
        code = held_list(r, &list, &count, e);
    }
    store_read_end(r);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        code = seal_generation(m, &list[i], e);
    }
    mem_free(list);
    return code;
}

/* The new log begins empty, because ops in the older log lack information that applying them now
 * needs. */
static const old_visit visits[DB_COUNT] = {
    [DB_MODALITIES] = convert,   [DB_TYPES] = convert,
    [DB_ITEMS] = convert_item,   [DB_ITEM_IDS] = copy,
    [DB_USERS] = convert,        [DB_USER_IDS] = copy,
    [DB_FEATURES] = convert,     [DB_BY_USER] = copy,
    [DB_BY_ITEM] = copy,         [DB_IDEMPOTENCY] = convert_kept,
    [DB_IDEM_TIMES] = copy_time, [DB_GENERATIONS] = convert_generation,
    [DB_BLOBS] = convert_blob,
};

static err_code convert_state(migration *m, err *e)
{
    slice value;
    store_state state;
    err_code code = old_get(m, DB_META, slice_of("state"), &value, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_CORRUPT, "the older store has no state record");
    }
    if (code == ERR_OK) {
        code = old_state(value, &state, e);
    }
    if (code == ERR_OK) {
        code = group(m, 0, e);
    }
    if (code == ERR_OK) {
        state.clock = m->clock;
        m->w->state = state;
        code = group_end(m, e);
    }
    int lmdb = code == ERR_OK ? mdb_env_sync(m->made->env, 1) : 0;
    return code == ERR_OK ? schema_error(lmdb, "syncing the new content", e) : code;
}

static err_code convert_all(migration *m, const char *dir, err *e)
{
    char stage[STORE_PATH_MAX];
    store_options options = {.mode = STORE_BESIDE, .create = true, .no_sync = true};
    arena_init(&m->memory, RECORD_ARENA);
    encoder_init(&m->record, RECORD_ARENA);
    err_code code = stage_make(dir, stage, e);
    if (code == ERR_OK) {
        code = store_open(&m->made, stage, &options, e);
    }
    for (store_db db = 0; code == ERR_OK && db < DB_COUNT; db++) {
        code = visits[db] != NULL ? old_each(m, db, visits[db], e) : ERR_OK;
        if (code == ERR_OK) {
            code = group_end(m, e);
        }
    }
    if (code == ERR_OK) {
        code = seal_generations(m, e);
    }
    if (code == ERR_OK) {
        code = convert_state(m, e);
    }
    store_write_abort(m->w);
    store_close(m->made);
    encoder_fini(&m->record);
    arena_fini(&m->memory);
    return code;
}

/* --- the frame --- */

static err_code get_format(migration *m, uint32_t *format, err *e)
{
    slice value;
    decoder d;
    err_code code = old_get(m, DB_META, slice_of("format"), &value, NULL);
    if (code != ERR_OK) {
        return err_set(e, ERR_NOT_FOUND, "data.mdb is not a store of stair");
    }
    decoder_init(&d, value);
    *format = decode_u32(&d);
    code = decoder_check(&d, "the store's format", e);
    if (code == ERR_OK && *format > STORE_FORMAT) {
        code = err_set(e, ERR_CONFLICT,
                       "the store has format %u, this stair knows formats up to %d: use the newer "
                       "stair that wrote it",
                       *format, STORE_FORMAT);
    }
    if (code == ERR_OK && *format == 0) {
        code = err_set(e, ERR_CORRUPT, "the store has format 0, which does not exist");
    }
    return code;
}

static err_code take_locks(migration *m, const char *dir, err *e)
{
    long holder = 0;
    err_code code = lock_file(dir, "owner.lock", false, false, &m->owner_fd, &holder, e);
    if (code == ERR_OK) {
        code = lock_file(dir, "train.lock", false, false, &m->train_fd, &holder, e);
    }
    if (code == ERR_CONFLICT) {
        return err_set(e, ERR_CONFLICT, "the store %s is in use by process %ld: stop it first", dir,
                       holder);
    }
    return code;
}

static err_code open_raw(migration *m, const char *dir, err *e)
{
    err_code code = guard_before(dir, e);
    if (code != ERR_OK) {
        return code;
    }
    int rc = process_env_create(&m->env);
    rc = rc == 0 ? mdb_env_set_maxdbs(m->env, DB_COUNT + 4) : rc;
    rc = rc == 0 ? mdb_env_set_mapsize(m->env, (size_t)1 << MIGRATE_MAP_SHIFT) : rc;
    rc = rc == 0 ? mdb_env_open(m->env, dir, MDB_RDONLY | MDB_NOTLS, 0600) : rc;
    code = schema_error(rc, "opening data.mdb", e);
    if (code == ERR_OK) {
        code = guard_take(&m->files, dir, true, e);
    }
    rc = code == ERR_OK ? mdb_txn_begin(m->env, NULL, MDB_RDONLY, &m->txn) : 0;
    return code == ERR_OK ? schema_error(rc, "opening data.mdb", e) : code;
}

static void close_raw(migration *m)
{
    if (m->txn != NULL) {
        mdb_txn_abort(m->txn);
    }
    if (m->env != NULL) {
        mdb_env_close(m->env);
    }
}

/* remove_checkpoint removes an old checkpoint, whose checksum is of the older kind, so that no
 * training could resume from it. */
static err_code remove_checkpoint(const char *dir, err *e)
{
    char path[STORE_PATH_MAX];
    err_code code = path_join(path, dir, "train.checkpoint", e);
    return code == ERR_OK && unlink(path) != 0 && errno != ENOENT
               ? err_set(e, ERR_IO, "removing %s: %s", path, strerror(errno))
               : code;
}

err_code migrate_store(const char *dir, migrate_report *report, err *e)
{
    migration m = {.owner_fd = -1, .train_fd = -1, .files = GUARD_NONE, .report = report};
    char path[STORE_PATH_MAX];
    struct stat st;
    *report = (migrate_report){0};
    err_code code = path_join(path, dir, "data.mdb", e);
    if (code == ERR_OK && stat(path, &st) != 0) {
        code = err_set(e, ERR_NOT_FOUND, "no store in %s", dir);
    }
    if (code == ERR_OK) {
        code = take_locks(&m, dir, e);
    }
    if (code == ERR_OK) {
        code = open_raw(&m, dir, e);
    }
    if (code == ERR_OK) {
        code = get_format(&m, &report->from, e);
    }
    bool older = code == ERR_OK && report->from < STORE_FORMAT;
    code = older ? convert_all(&m, dir, e) : code;
    close_raw(&m);
    if (older) {
        if (code == ERR_OK) {
            code = remove_checkpoint(dir, e);
        }
        if (code == ERR_OK) {
            code = stage_replace(dir, e);
        }
        stage_remove(dir, NULL); /* the next open tries again */
    }
    guard_drop(&m.files);
    if (m.train_fd >= 0) {
        close(m.train_fd);
    }
    if (m.owner_fd >= 0) {
        close(m.owner_fd);
    }
    return code;
}
