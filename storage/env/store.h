/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: one LMDB environment in one folder, which holds all durable data of a shop.
 *
 * The folder contains data.mdb and lock.mdb (LMDB's files), owner.lock (held by the one process
 * that serves or imports), train.lock (held by the one training process), and at times
 * train.checkpoint and import.tmp/. Opening checks the format and clears dead readers;
 * storage/maintenance/recover.h also removes what a killed process left unfinished.
 *
 * Always true: a committed write group survives kill -9; an uncommitted one leaves no trace; seq
 * grows by one per applied op and never decreases; rows are never reused.
 *
 * Threading: a store is thread-safe. Any number of read transactions may be open, each used by one
 * thread at a time (MDB_NOTLS: a transaction belongs to whoever holds it, not to its thread). One
 * write group at a time in all processes: store_write_begin waits for another's to end. Memory that
 * LMDB owns never leaves storage/: what is handed out is copied.
 *
 * Failures: a full map, quota or disk is ERR_FULL and leaves the store usable. After a failed
 * commit or fsync (ERR_OUTCOME_UNKNOWN), writes are refused with ERR_UNAVAILABLE until store_reopen
 * has read the state on disk. Reads continue as far as LMDB allows.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

/* The format that this binary reads and writes; an older one is upgraded by `stair migrate`.
 * 1: the first. 2: the state holds the position of an external log. 3: items have tagged fields and
 * records have checksums. */
enum { STORE_FORMAT = 3, EXTERNAL_POSITION_MAX = 64 };

typedef enum store_mode {
    STORE_READ,   /* check, eval, export: no write at all, no sweep */
    STORE_BESIDE, /* train, generations: may write generations beside a live server */
    STORE_OWNER,  /* serve, import: holds owner.lock; a second owner is refused with the pid */
} store_mode;

/* Size and age that the op log is trimmed to by default, as plain numbers: the configuration's
 * table makes its text from them. */
#define OPLOG_MIB  64
#define OPLOG_DAYS 7

typedef struct store_options {
    store_mode mode;
    bool create;   /* make an empty store if the folder has none */
    bool no_sync;  /* no fsync at commit: only for building a copy that is synced at its end */
    bool training; /* take train.lock as store_train_lock does, but before the content is opened,
                      so that no import replaces it */
    bool keep_lineage; /* of a snapshot that stands at a position of an external log: it goes on as
                          another node of the same log */
    uint64_t quota_bytes;  /* additions beyond are refused; a reserve stays for deletions. 0: none,
                              1 TiB of address space */
    uint64_t oplog_bytes;  /* the op log is trimmed to this size; 0: OPLOG_MIB */
    int64_t oplog_seconds; /* and to this age; 0: OPLOG_DAYS */
    int64_t now;           /* epoch seconds, for the record of creation */
} store_options;

typedef struct store store;             /* opaque */
typedef struct store_read store_read;   /* a read transaction */
typedef struct store_write store_write; /* a write transaction */

enum { LINEAGE_BYTES = 16, LINEAGE_TEXT = 37 };

typedef struct store_info {
    unsigned char lineage[LINEAGE_BYTES];
    uint64_t seq;          /* last applied op */
    uint32_t user_rows;    /* rows given out so far, erased ones too */
    uint32_t item_rows;    /* rows given out so far, deleted ones too */
    uint64_t users;        /* that exist */
    uint64_t items;        /* that exist, hidden ones too */
    uint64_t interactions; /* records, those of deleted items too */
    uint32_t generation;   /* active; 0: none */
    uint64_t erased_seq;   /* of the last erasure of a user; 0: none */
    uint64_t data_seq;     /* of the last op that changed anything but the active generation */
    char external[EXTERNAL_POSITION_MAX + 1]; /* where an external log of ops stands; "": none */
    uint64_t used_bytes;                      /* pages in use, times their size */
    uint64_t file_bytes;
    uint64_t quota_bytes; /* 0: none */
    bool writable;        /* false after a failed commit, until store_reopen */
} store_info;

/* store_open opens the store in folder `dir` (made, with parents excepted, if options->create).
 * Fails with ERR_NOT_FOUND (no store), ERR_CONFLICT (owned by another process, or of another
 * format: the text says what to do), ERR_CORRUPT, ERR_IO. Caller closes with store_close. */
err_code store_open(store **out, const char *dir, const store_options *options, err *e) ERR_CHECKED;

/* store_close waits for no one: all transactions must have ended. Accepts NULL. */
void store_close(store *s);

/* store_dir borrows the folder's name until store_close. */
const char *store_dir(const store *s);

/* store_stat reads the counters in a read transaction of its own. */
err_code store_stat(store *s, store_info *out, err *e) ERR_CHECKED;

/* store_quota_room gives the bytes below the quota that are unused, UINT64_MAX without one; looks
 * closely only if there are fewer than `enough`. May be asked inside a write, as of its begin. */
uint64_t store_quota_room(store *s, uint64_t enough);

/* store_reserve_room gives the bytes below the end of the reserve that deletions live from. */
uint64_t store_reserve_room(store *s);

/* store_reopen closes and opens the environment after ERR_OUTCOME_UNKNOWN, and makes the store
 * writable again if that succeeds; *out is what is really on disk. Waits until the read
 * transactions that are open have ended. */
err_code store_reopen(store *s, store_info *out, err *e) ERR_CHECKED;

/* store_reader_check frees the reader slots of processes that died and returns how many there were;
 * call it every minute or so, and before a write is refused because the store is full. */
size_t store_reader_check(store *s);

/* The open read transaction of the earliest moment, of whatever process. */
typedef struct store_holder {
    uint64_t bytes; /* of free pages that cannot be used again until it ends; 0: nothing is held */
    uint64_t commits; /* that were made since its moment */
    long pid;         /* 0: of a process in another container, or one that has just ended */
} store_holder;

/* store_holder_find tells who keeps pages from being used again. */
err_code store_holder_find(store *s, store_holder *out, err *e) ERR_CHECKED;

/* store_forget_pages gives the pages that were read through the map back: they stay in the page
 * cache, but are no longer the process's memory. For after a load that touched most of the file. */
void store_forget_pages(store *s);

/* store_lineage_text writes the lineage as a UUID with a closing NUL. */
void store_lineage_text(const unsigned char lineage[LINEAGE_BYTES], char out[LINEAGE_TEXT]);

/* A read transaction sees the store as of its begin. Keep it short: pages that it might read are
 * not reused meanwhile and the file grows. *out is NULL on failure; store_read_end accepts NULL. */
err_code store_read_begin(store *s, store_read **out, err *e) ERR_CHECKED;
void store_read_end(store_read *r);
err_code store_read_stat(store_read *r, store_info *out, err *e) ERR_CHECKED;

/* A write transaction. Whatever reads takes a store_read: store_write_reads lends one that sees
 * the transaction's own writes; it ends with the transaction and is not to be ended itself.
 * store_write_commit fsyncs; it and store_write_abort end the transaction in every case. */
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
 * is in it: for one that the caller has just made and that came to nothing. A failure leaves a part
 * of it behind. NULL is fine. */
void store_discard(store *owner);

/* store_train_lock takes train.lock: one training per store at a time, and none beside an import.
 * ERR_CONFLICT names the pid of the other. The lock ends with store_train_unlock, store_close or
 * the process. */
err_code store_train_lock(store *s, err *e) ERR_CHECKED;
void store_train_unlock(store *s);

/* store_train_running tells whether any process holds train.lock. */
bool store_train_running(store *s);

#endif
