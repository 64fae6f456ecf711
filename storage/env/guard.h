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
 * Internal to storage/. One thread at a time per guard, except guard_check, which only reads.
 */
#ifndef STORAGE_GUARD_H
#define STORAGE_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/common/err.h"

typedef struct file_identity {
    dev_t device;
    ino_t number; /* 0 if there is no file */
} file_identity;

typedef struct guard {
    int fd; /* data.mdb, opened only for the marks; -1 if not taken */
    file_identity data, lock;
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

/* guard_check returns ERR_UNAVAILABLE unless the folder still contains the files that are open. */
err_code guard_check(const guard *g, const char *dir, err *e) ERR_CHECKED;

#endif
