/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: identifies the processes that share a store, also across containers.
 *
 * LMDB writes each reader's process number into its reader table and treats a number without a live
 * process as a dead reader. Containers on one volume have process numbers of their own: the service
 * and a training can both be process 1. So LMDB gets another number, drawn at random from a range
 * that no kernel assigns. It stays the same for the life of the process.
 *
 * LMDB's write mutex records its holder by thread number, and those repeat across containers too. A
 * process that is killed while it waits for the mutex would release it for another container's
 * thread with the same number. So a writer first takes the turn, a kernel file lock that ends with
 * its process. No process ever waits for LMDB's mutex.
 *
 * Internal to storage/. Thread-safe.
 */
#ifndef STORAGE_PROCESS_H
#define STORAGE_PROCESS_H

#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>

#include "core/common/err.h"

/* process_number returns the number by which LMDB knows this process. A forked process gets
 * another. */
int process_number(void);

/* process_env_create is mdb_env_create, but LMDB records process_number instead of the real pid. */
int process_env_create(MDB_env **out);

/* process_of returns the process with the number `number` in the lock file `path`: its process
 * number as seen by this process, or 0 if it has ended or belongs to another container. */
long process_of(int number, const char *path);

/* The turn to write: one writer at a time among all processes. turn_open opens or creates the file
 * `path`. turn_close accepts a turn that is not open. turn_take waits. turn_give must be called by
 * the same thread. If the file cannot be locked, only the threads of this process exclude each
 * other. */
typedef struct turn {
    pthread_mutex_t mu;
    int fd; /* -1 if not open */
} turn;

void turn_init(turn *t);
void turn_fini(turn *t);
err_code turn_open(turn *t, const char *path, err *e) ERR_CHECKED;
void turn_close(turn *t);
void turn_take(turn *t);
void turn_give(turn *t);

#endif
