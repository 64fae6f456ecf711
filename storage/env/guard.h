/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: every process that has a store open means the same data.mdb, lock.mdb and owner.lock.
 *
 * LMDB keeps its writers and readers apart through lock.mdb alone, and a lock on a file ends with
 * the file's name: after somebody deletes lock.mdb or owner.lock, the next process makes a new one
 * and finds nobody there. Two writers then destroy the store. So each process marks the inode of
 * data.mdb, which all of them share, with open-file-description locks that LMDB does not use:
 *
 *   byte 0                  exclusive: the owner
 *   byte 1 + inode number   shared: a process that has the lock.mdb of this number open
 *
 * A mark at any other number tells an opener that a live process uses a lock.mdb that is gone. A
 * commit compares the names in the folder with the files that are open.
 *
 * Internal to storage/. One thread at a time per guard, but for guard_check, which only reads.
 */
#ifndef STORAGE_GUARD_H
#define STORAGE_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/common/err.h"

typedef struct file_identity {
    dev_t device;
    ino_t number; /* 0: no file */
} file_identity;

typedef struct guard {
    int fd; /* data.mdb, opened for the marks alone; -1: not taken */
    file_identity data, lock;
} guard;

#define GUARD_NONE ((guard){.fd = -1})

/* file_is tells whether dir/name leads to the file that `fd` has open. */
bool file_is(const char *dir, const char *name, int fd);

/* guard_before refuses to open beside a live process that uses another lock.mdb, and makes no file.
 * To be called before mdb_env_open makes one: ERR_CONFLICT says what to do. */
err_code guard_before(const char *dir, err *e) ERR_CHECKED;

/* guard_take marks the files that mdb_env_open has just opened; ERR_CONFLICT if another process
 * owns the store or uses another lock.mdb. */
err_code guard_take(guard *g, const char *dir, bool owner, err *e) ERR_CHECKED;

/* guard_drop takes the marks off. */
void guard_drop(guard *g);

/* guard_check fails with ERR_UNAVAILABLE unless the folder still holds the files that are open. */
err_code guard_check(const guard *g, const char *dir, err *e) ERR_CHECKED;

#endif
