/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: one LMDB environment in one folder, which holds all durable data of a shop.
 *
 * The folder contains data.mdb and lock.mdb (LMDB's files), owner.lock (held by the one process
 * that serves or imports), train.lock (held by the one training process), and at times
 * train.checkpoint and import.tmp/. Opening checks the format and clears dead readers.
 * storage/maintenance/recover.h also removes what a killed process left unfinished.
 *
 * Always true: a committed write group survives kill -9, and an uncommitted one leaves no trace.
 * seq grows by one for each applied op and never decreases. Rows are never reused.
 *
 * Threading: a store is thread-safe. Any number of read transactions may be open, each used by one
 * thread at a time; a transaction may move between threads (MDB_NOTLS). There is one write group at
 * a time among all processes: store_write_begin waits for another's to end. Memory that LMDB owns
 * never leaves storage/: results are copied.
 *
 * Failures: a full map, quota or disk gives ERR_FULL and leaves the store usable. After a failed
 * commit or fsync (ERR_OUTCOME_UNKNOWN), writes are refused with ERR_UNAVAILABLE until store_reopen
 * has read the state on disk. Reads continue as far as LMDB allows.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

/* The format that this binary reads and writes. `stair migrate` upgrades an older one. 1: the
 * first. 2: the state holds the position of an external log. 3: items have tagged fields and
 * records have checksums. */
enum { STORE_FORMAT = 3, EXTERNAL_POSITION_MAX = 64 };

typedef enum store_mode {
    STORE_READ,   /* check, eval, export: no writes and no removal of leftovers */
    STORE_BESIDE, /* train, generations: may write generations while a service is running */
    STORE_OWNER,  /* serve, import: holds owner.lock; a second owner is refused and told the pid */
} store_mode;

/* The default limits of the op log, as plain numbers, because the configuration's table makes its
 * text from them. */
#define OPLOG_MIB  64
#define OPLOG_DAYS 7

typedef struct store_options {
    store_mode mode;
    bool create;  /* create an empty store if the folder has none */
    bool no_sync; /* no fsync at commit; only for building a copy that is synced at its end */
    /* take train.lock like store_train_lock, but before the content is opened, so that no import
     * replaces it */
    bool training;
    /* for a snapshot that has a position in an external log: it continues as another node of that
     * log */
    bool keep_lineage;
    /* additions beyond it are refused, and a reserve remains for deletions; 0: no quota, and 1 TiB
     * of address space */
    uint64_t quota_bytes;
    uint64_t oplog_bytes;  /* the op log is trimmed to this size; 0 means OPLOG_MIB */
    int64_t oplog_seconds; /* and to this age; 0 means OPLOG_DAYS */
    int64_t now;           /* epoch seconds, for the record of creation */
} store_options;

typedef struct store store;             /* opaque */
typedef struct store_read store_read;   /* a read transaction */
typedef struct store_write store_write; /* a write transaction */

enum { LINEAGE_BYTES = 16, LINEAGE_TEXT = 37 };

typedef struct store_info {
    unsigned char lineage[LINEAGE_BYTES];
    uint64_t seq;          /* last applied op */
    uint32_t user_rows;    /* rows assigned so far, including erased users */
    uint32_t item_rows;    /* rows assigned so far, including deleted items */
    uint64_t users;        /* existing users */
    uint64_t items;        /* existing items, including hidden ones */
    uint64_t interactions; /* records, including those of deleted items */
    uint32_t generation;   /* active generation; 0 if none */
    uint64_t erased_seq;   /* seq of the last erasure of a user; 0 if none */
    uint64_t data_seq;     /* seq of the last op that changed more than the active generation */
    char external[EXTERNAL_POSITION_MAX + 1]; /* position in an external log of ops; "" if none */
    uint64_t used_bytes;                      /* pages in use, in bytes */
    uint64_t file_bytes;
    uint64_t quota_bytes; /* 0 if none */
    bool writable;        /* false after a failed commit, until store_reopen */
} store_info;

/* store_open opens the store in folder `dir`. With options->create it creates the folder, but not
 * its parents. ERR_NOT_FOUND: there is no store. ERR_CONFLICT: another process owns it, or it has
 * another format; the text says what to do. ERR_CORRUPT, ERR_IO. Close with store_close. */
err_code store_open(store **out, const char *dir, const store_options *options, err *e) ERR_CHECKED;

/* store_close does not wait: all transactions must have ended. It accepts NULL. */
void store_close(store *s);

/* store_dir borrows the folder's name until store_close. */
const char *store_dir(const store *s);

/* store_stat reads the counters in its own read transaction. */
err_code store_stat(store *s, store_info *out, err *e) ERR_CHECKED;

/* store_quota_room returns the unused bytes below the quota, UINT64_MAX without a quota. It counts
 * exactly only if there seem to be fewer than `enough`. During a write it answers as of the write's
 * beginning. */
uint64_t store_quota_room(store *s, uint64_t enough);

/* store_reserve_room returns the unused bytes below the end of the reserve for deletions. */
uint64_t store_reserve_room(store *s);

/* store_reopen closes and opens the environment after ERR_OUTCOME_UNKNOWN. If that succeeds, the
 * store is writable again, and *out is the state on disk. It waits until all open read transactions
 * have ended. */
err_code store_reopen(store *s, store_info *out, err *e) ERR_CHECKED;

/* store_reader_check frees the reader slots of processes that died and returns their number. Call
 * it every minute or so, and before a write is refused because the store is full. */
size_t store_reader_check(store *s);

/* The oldest open read transaction, in any process. */
typedef struct store_holder {
    /* free pages, in bytes, that cannot be reused until it ends; 0 if nothing is held */
    uint64_t bytes;
    uint64_t commits; /* commits since the transaction began */
    long pid;         /* 0 if its process is in another container or has just ended */
} store_holder;

/* store_holder_find finds the reader that keeps pages from being reused. */
err_code store_holder_find(store *s, store_holder *out, err *e) ERR_CHECKED;

/* store_forget_pages returns pages that were read through the map: they stay in the page cache, but
 * no longer count as the process's memory. Call it after a load that touched most of the file. */
void store_forget_pages(store *s);

/* store_lineage_text writes the lineage as a UUID with a closing NUL. */
void store_lineage_text(const unsigned char lineage[LINEAGE_BYTES], char out[LINEAGE_TEXT]);

/* A read transaction sees the store as of its beginning. Keep it short: pages that it might read
 * are not reused meanwhile, and the file grows. *out is NULL on failure; store_read_end accepts
 * NULL. */
err_code store_read_begin(store *s, store_read **out, err *e) ERR_CHECKED;
void store_read_end(store_read *r);
err_code store_read_stat(store_read *r, store_info *out, err *e) ERR_CHECKED;

/* A write transaction. Functions that read take a store_read: store_write_reads lends one that sees
 * the transaction's own writes and ends with it; do not end it separately. store_write_commit
 * fsyncs. It and store_write_abort end the transaction in every case. */
err_code store_write_begin(store *s, store_write **out, err *e) ERR_CHECKED;
store_read *store_write_reads(store_write *w);
err_code store_write_commit(store_write *w, err *e) ERR_CHECKED;
void store_write_abort(store_write *w);

/* --- staging: how import replaces the content in one step -------------------------------------
 * store_stage_begin opens DIR/import.tmp/ as an empty store (or, with `merge`, as a compacted copy
 * of `owner`), unsynced, with a new lineage and the owner's seq. store_stage_flip raises its seq by
 * one, syncs it and renames it over the owner's data.mdb; then `owner` is open on the new
 * content. A kill at any moment leaves either the old content or the new. store_stage_begin refuses
 * with ERR_CONFLICT while a training runs, and keeps trainings out until the flip or the abort, as
 * a generation finished in between would be lost. Flip and abort end `staged`. */
err_code store_stage_begin(store *owner, bool merge, store **staged, err *e) ERR_CHECKED;
err_code store_stage_flip(store *owner, store *staged, err *e) ERR_CHECKED;
void store_stage_abort(store *staged);

/* store_discard closes a store of mode STORE_OWNER and removes it, and its folder if nothing else
 * is inside. It is for a store that the caller has just created and does not need. A failure leaves
 * a part of it behind. It accepts NULL. */
void store_discard(store *owner);

/* store_train_lock takes train.lock: at most one training per store runs, and none during an
 * import. ERR_CONFLICT names the pid of the other process. The lock ends with store_train_unlock,
 * store_close or the process. */
err_code store_train_lock(store *s, err *e) ERR_CHECKED;
void store_train_unlock(store *s);

/* store_train_running tells whether any process holds train.lock. */
bool store_train_running(store *s);

#endif
