/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: makes sure that all processes with a store open use the same data.mdb, lock.mdb and
 * owner.lock.
 *
 * LMDB separates writers and readers through lock.mdb alone. A file lock belongs to the file, not
 * to its name: after somebody deletes lock.mdb or owner.lock, the next process creates a new file
 * and sees no lock on it. Two processes then write at once and destroy the store. To prevent this,
 * each process marks the inode of data.mdb, which all of them share, with open-file-description
 * locks on bytes that LMDB does not use:
 *
 *     byte 0                  exclusive: the owner
 *     byte 1 + inode number   shared: a process that has the lock.mdb with this inode number open
 *
 * When a process opens the store and finds a mark for another inode number, a live process still
 * uses a lock.mdb that was deleted. Before each commit, the names in the folder are compared with
 * the open files.
 *
 * Comparing takes four lookups, so a commit skips it if the folder has the state that it had at an
 * earlier comparison. Every new, deleted or renamed name changes the folder's ctime, which nobody
 * can set. Two changes within one tick of the file system's clock have the same ctime. So a state
 * counts only if data.mdb was written more than FOLDER_SETTLE_SECONDS later: then the tick is over.
 *
 * Internal to storage/. One thread at a time per guard.
 */
#ifndef STORAGE_GUARD_H
#define STORAGE_GUARD_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "core/common/err.h"

typedef struct file_identity {
    dev_t device;
    ino_t number; /* 0 if there is no file */
} file_identity;

/* Longer than one tick of any file system: FAT counts in steps of two seconds. */
enum { FOLDER_SETTLE_SECONDS = 3 };

typedef struct folder_state {
    file_identity folder; /* number 0: unknown, and equal to no state */
    struct timespec changed;
} folder_state;

typedef struct guard {
    int fd; /* data.mdb, opened only for the marks; -1 if not taken */
    file_identity data, lock;
    folder_state compared; /* of the last comparison that was settled */
} guard;

#define GUARD_NONE ((guard){.fd = -1})

/* file_is tells whether dir/name is the file that `fd` has open. */
bool file_is(const char *dir, const char *name, int fd);

/* guard_before refuses to open a store if a live process uses another lock.mdb of it. It creates no
 * file. Call it before mdb_env_open, which does. ERR_CONFLICT says what to do. */
err_code guard_before(const char *dir, err *e) ERR_CHECKED;

/* guard_take marks the files that mdb_env_open has just opened. ERR_CONFLICT: another process owns
 * the store or uses another lock.mdb. */
err_code guard_take(guard *g, const char *dir, bool owner, err *e) ERR_CHECKED;

/* guard_drop removes the marks. */
void guard_drop(guard *g);

/* folder_look reads the state of a folder. Its number is 0 if it cannot be read. */
folder_state folder_look(const char *dir);

/* folder_same tells whether no name in the folder has changed between two states, of which the
 * earlier one was settled. */
bool folder_same(const folder_state *a, const folder_state *b);

/* folder_settled tells whether a state counts after a file of its file system was changed at
 * `later`: a later change of the folder gives it another state. guard_settled takes the time of the
 * last change of data.mdb. */
bool folder_settled(const folder_state *f, struct timespec later);
bool guard_settled(const guard *g, const folder_state *f);

/* guard_check returns ERR_UNAVAILABLE unless the folder still contains the files that are open. */
err_code guard_check(const guard *g, const char *dir, err *e) ERR_CHECKED;

#endif
