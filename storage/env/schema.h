/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema: the databases of the LMDB environment, their keys, and the structs behind a store's
 * handles.
 *
 * Internal to storage/, and the only header there that includes LMDB. Keys are big-endian, so that
 * LMDB sorts them numerically.
 *
 * Every value ends with a checksum (the seal, codec.h), with these exceptions: the format, the id
 * maps and idem_times have none; the interactions are stored twice and compared instead; the pieces
 * of blobs have theirs in front.
 *
 *   database      key                                value
 *   meta          "format"                           u32
 *                 "state"                            store_state
 *   modalities    number u8                          version, width u32, name
 *   types         number u8                          version, name
 *   items         row u32                            version, tagged fields
 *   item_ids      id                                 row u32
 *   gone_ids      id of a deleted item               row u32 that it had last
 *   users         row u32                            version, created, id
 *   user_ids      id                                 row u32
 *   features      modality u8, row u32               version, dtype, 2 zero bytes, vector
 *   by_user       user row u32                       edge value with the item's row (dupfixed)
 *   by_item       item row u32                       edge value with the user's row (dupfixed)
 *   idempotency   key                                version, time, hash, users, status, body
 *   idem_times    time u64, key                      (empty)
 *   oplog         seq u64                            version, time, rows, redacted, op
 *   publishers    incarnation 16                     version, last number, window, clock
 *   generations   number u32                         version, state, UUID, SHA-256, ..., summary
 *   held          UUID 16                            the same, of tables that lie here
 *   blobs         UUID 16, name, 0                   version, bytes u64, stride u64
 *                 UUID 16, name, 0, piece u32        version, 7 zero bytes, u64 sum, up to 1 MiB
 */
#ifndef STORAGE_SCHEMA_H
#define STORAGE_SCHEMA_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/codec.h"
#include "storage/env/guard.h"
#include "storage/env/process.h"
#include "storage/env/store.h"

typedef enum store_db {
    DB_META,
    DB_MODALITIES,
    DB_TYPES,
    DB_ITEMS,
    DB_ITEM_IDS,
    DB_GONE_IDS,
    DB_USERS,
    DB_USER_IDS,
    DB_FEATURES,
    DB_BY_USER,
    DB_BY_ITEM,
    DB_IDEMPOTENCY,
    DB_IDEM_TIMES,
    DB_OPLOG,
    DB_PUBLISHERS,
    DB_GENERATIONS,
    DB_HELD,
    DB_BLOBS,
    DB_COUNT
} store_db;

enum {
    ITEM_RECORD_VERSION = 2,
    USER_RECORD_VERSION = 2,
    FEATURE_RECORD_VERSION = 2,
    MODALITY_RECORD_VERSION = 2,
    TYPE_RECORD_VERSION = 2,
    EDGE_RECORD_VERSION = 1,
    STATE_RECORD_VERSION = 3,
    IDEMPOTENCY_RECORD_VERSION = 2,
    OPLOG_RECORD_VERSION = 2,
    PUBLISHER_RECORD_VERSION = 2,
    GENERATION_RECORD_VERSION = 3,
    BLOB_RECORD_VERSION = 2,
    EDGE_VALUE_BYTES = 20,
    FEATURE_HEADER_BYTES = 4,
    PIECE_HEADER_BYTES = 16,
    ITEM_RECORD_BYTES_MAX = 256 * 1024,
    STATE_RECORD_BYTES = 1 + 16 + 8 + 4 + 4 + 8 + 8 + 8 + 4 + 8 + 8 + 4 + 8 + 8 + 1 +
                         EXTERNAL_POSITION_MAX + SEAL_BYTES,
};

typedef struct store_state {
    store_info info; /* its durable part */
    uint32_t next_generation;
    uint64_t oplog_bytes; /* size of all entries in the log */
    /* the clock by which stored answers expire (idempotency.c); 0 before the first op */
    int64_t clock;
    bool snapshot; /* a copy without an owner so far: its first owner starts a new lineage */
} store_state;

/* Beyond the quota there is a reserve for deletions and erasures, so that a full store can be
 * emptied. An addition is refused if it might use the reserve: the estimate is twice its size, for
 * record and log, plus some pages of the trees that it touches. A deletion must begin below the end
 * of the reserve, but may end beyond it. The map is longer by the same amount again, so that the
 * log can always be trimmed. */
enum {
    READS_RESTING_MAX = 64,
    QUOTA_OP_BYTES = 32 * 4096,
    QUOTA_RESERVE_BYTES = 4 * 1024 * 1024,
};

static inline uint64_t quota_reserve(uint64_t quota)
{
    return QUOTA_RESERVE_BYTES + quota / 16;
}

struct store {
    /* immutable after open */
    char *dir;
    store_options options;
    /* changed by opening, closing and the one writer */
    int owner_fd, train_fd;
    guard files;
    /* Guarded by mu. Reads are counted, so that the environment is never closed during one. */
    pthread_mutex_t mu;
    pthread_cond_t quiet; /* signalled when open_reads becomes 0 */
    size_t open_reads;
    bool exclusive;      /* the environment is being replaced: no transaction may begin */
    store_read *resting; /* finished transactions that keep their reader slots */
    size_t resting_count;
    MDB_env *env;
    MDB_dbi dbi[DB_COUNT];
    turn writing; /* held during a write transaction */
    /* atomic */
    atomic_bool broken; /* a commit failed: no writes until store_reopen */
};

struct store_read {
    store *owner;
    MDB_txn *txn;
    bool lent;        /* it is part of a store_write */
    store_read *next; /* in the pool of finished ones */
};

struct store_write {
    store *owner;
    MDB_txn *txn;
    store_read reads;
    store_state state; /* read at the beginning, written at the commit */
    uint64_t seq_before;
    int64_t time_most; /* how far the ops of the current message may move the expiry clock */
    /* cursors of by_user and by_item, kept for series of interactions; LMDB closes them with the
     * transaction */
    MDB_cursor *sides[2];
};

/* schema_db_name returns the database's name in the environment. */
const char *schema_db_name(store_db db);

/* schema_error maps error numbers of LMDB and the system to codes, such as ERR_FULL if the map or
 * the disk is full. */
err_code schema_error(int rc, const char *what, err *e);

/* --- the environment, its folder and its locks (store_env.c, paths.c) --- */

/* env_open opens the environment and its databases, and creates missing ones if `create`. env_close
 * first frees the finished transactions in the pool. */
err_code env_open(store *s, bool create, err *e) ERR_CHECKED;
void env_close(store *s);

/* env_copy writes a compacted copy as data.mdb into the folder `to`, readable only by its owner. */
err_code env_copy(MDB_env *env, const char *to, err *e) ERR_CHECKED;

/* env_forget_pages is store_forget_pages for an environment, which must use MDB_NOTLS. */
void env_forget_pages(MDB_env *env);

/* has_data returns ERR_NOT_FOUND if there is no data.mdb. path_join writes dir/name; ERR_INVALID if
 * it does not fit. path_sync syncs a file or a folder; without it, a new name in a folder may be
 * lost in a power cut. lock_file opens and locks a file, waiting if `wait`; ERR_CONFLICT if another
 * process holds it, whose pid is in *holder (0 if unknown). */
enum { STORE_PATH_MAX = 4096 };
err_code has_data(const char *dir, err *e) ERR_CHECKED;
err_code path_sync(const char *path, err *e) ERR_CHECKED;
err_code path_join(char out[STORE_PATH_MAX], const char *dir, const char *name, err *e) ERR_CHECKED;
err_code lock_file(const char *dir, const char *name, bool shared, bool wait, int *fd, long *holder,
                   err *e) ERR_CHECKED;
void lineage_new(unsigned char lineage[LINEAGE_BYTES]);

/* store_keep_lock takes a lock file of this store again after somebody deleted or replaced it.
 * ERR_CONFLICT: another process holds it now. */
err_code store_keep_lock(const store *s, const char *name, int *fd, err *e) ERR_CHECKED;

/* free_pages counts the pages freed by transaction `since` or later (0: all). The next writes reuse
 * them, unless an older reader is open (readers.c). */
uint64_t free_pages(MDB_txn *txn, size_t since);

/* --- who is inside the environment (store_read.c) --- */

/* store_enter and store_leave count the threads inside the environment. store_adopt_size takes over
 * the map size after another process has enlarged it. state_read decodes the state as a transaction
 * sees it. */
err_code store_enter(store *s, err *e) ERR_CHECKED;
void store_leave(store *s);
void store_adopt_size(store *s);
err_code state_read(store_read *r, store_state *out, err *e) ERR_CHECKED;

/* exclusive_begin waits until no read transaction is open, and lets none begin until
 * exclusive_end. */
void exclusive_begin(store *s);
void exclusive_end(store *s);

/* --- keys and plain access --- */

static inline void put_be32(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

static inline uint32_t get_be32(const void *from)
{
    const unsigned char *at = from;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void put_be64(unsigned char *at, uint64_t value)
{
    put_be32(at, (uint32_t)(value >> 32));
    put_be32(at + 4, (uint32_t)value);
}

static inline uint64_t get_be64(const void *from)
{
    return (uint64_t)get_be32(from) << 32 | get_be32((const unsigned char *)from + 4);
}

/* put_le writes the low `bytes` bytes of a value, little-endian, and moves *at past them. */
static inline void put_le(unsigned char **at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        *(*at)++ = (unsigned char)(value >> (8 * i));
    }
}

/* val_of passes bytes to LMDB, which only reads keys and data, but takes them through pointers that
 * are not const. */
static inline MDB_val val_of(const void *at, size_t bytes)
{
    union {
        const void *ours;
        void *theirs;
    } p = {at};
    return (MDB_val){bytes, p.theirs};
}

static inline slice slice_of_val(MDB_val v)
{
    slice s = {v.mv_data != NULL ? v.mv_data : "", v.mv_size};
    return s;
}

/* schema_get borrows the value until the transaction ends or is written to. ERR_NOT_FOUND leaves
 * `e` unset, because callers can name better what is missing. */
err_code schema_get(store_read *r, store_db db, slice key, slice *value, err *e) ERR_CHECKED;

/* All writes use these three functions, which copy the key first. LMDB moves the entries of a page
 * while it writes to the page, so a key inside it, such as one that a cursor returned, would change
 * under the write. The value must not point into the store either. schema_reserve makes a record of
 * `bytes` bytes and returns its memory, to be filled in at once. schema_cursor_put takes
 * mdb_cursor_put's flags and returns its result. */
enum { SCHEMA_KEY_BYTES_MAX = 511 };
err_code schema_put(store_write *w, store_db db, slice key, slice value, err *e) ERR_CHECKED;
err_code schema_reserve(store_write *w, store_db db, slice key, size_t bytes, unsigned char **at,
                        err *e) ERR_CHECKED;
/* schema_append writes after the last key; `key` must sort last. In the interactions' databases it
 * writes after the last value of that key. */
err_code schema_append(store_write *w, store_db db, slice key, slice value, err *e) ERR_CHECKED;
int schema_cursor_put(MDB_cursor *cursor, slice key, slice value, unsigned flags) ERR_CHECKED;
/* schema_delete removes a key. ERR_NOT_FOUND, with `e` unset: there is none. */
err_code schema_delete(store_write *w, store_db db, slice key, err *e) ERR_CHECKED;

/* record_each visits the records of a database with row keys, from row `first` on, in order.
 * ERR_CANCELLED from `visit` stops it without an error. The value is borrowed: `visit` must not
 * write through the same transaction. */
typedef err_code (*record_visit)(void *ctx, uint32_t row, slice value, err *e);
err_code record_each(store_read *r, store_db db, uint32_t first, record_visit visit, void *ctx,
                     err *e) ERR_CHECKED;

/* --- records: pure functions between structs and bytes, each fuzzed --- */

err_code state_decode(store_state *out, slice bytes, err *e) ERR_CHECKED;
void state_encode(const store_state *state, unsigned char out[STATE_RECORD_BYTES]);

#endif
