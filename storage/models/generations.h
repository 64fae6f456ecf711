/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generations: trained models, kept side by side, one of them active.
 *
 * A generation is a record and named blobs. Its number is allocated in a transaction and never
 * used again; blobs are cut into pieces of 1 MiB and written in transactions of at most 8 MiB, so
 * that a live server beside is never kept waiting; generation_finish makes it ready in one
 * transaction, in which rows of users erased meanwhile are zeroed; it becomes active by an op.
 *
 *     building --generation_finish--> ready --OP_GENERATION_ACTIVATE--> active (meta.generation)
 *        |                              |
 *        +--sweep at open-------------- +--generation_remove (never the active one)--> gone
 *
 * A blob whose rows belong to users says so by its stride: that is how erasure finds them.
 * Writers: one training at a time (train.lock). Readers: any.
 */
#ifndef STORAGE_GENERATIONS_H
#define STORAGE_GENERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

enum { BLOB_PIECE_BYTES = 1024 * 1024, BLOB_GROUP_BYTES = 8 * 1024 * 1024, BLOB_NAME_MAX = 63 };

typedef enum generation_state {
    GENERATION_BUILDING = 1,
    GENERATION_READY = 2,
} generation_state;

typedef struct generation_info {
    uint32_t number;
    generation_state state;
    bool active;
    bool activate;   /* whoever serves should activate it when it is ready */
    int64_t created; /* epoch seconds */
    unsigned char lineage[LINEAGE_BYTES];
    uint64_t seq;          /* the store's when the data was read */
    uint32_t users, items; /* rows covered: [0, users) x [0, items) */
    uint64_t bytes;        /* of all blobs */
    slice summary;         /* JSON text written by the trainer's command: options, metrics, curve */
} generation_info;

/* generation_begin allocates a number. `info`: created, lineage, seq, users, items are used. */
err_code generation_begin(store *s, const generation_info *info, uint32_t *number,
                          err *e) ERR_CHECKED;

/* generation_put stores a blob under `name` ([a-z0-9_.]+) in a generation that is building. If the
 * blob is a table with one row per user, `user_stride` is the bytes of a row, else 0. */
err_code generation_put(store *s, uint32_t number, const char *name, const void *data, size_t bytes,
                        size_t user_stride, err *e) ERR_CHECKED;

/* generation_finish makes it ready, with the summary and whether it wants to be active.
 * ERR_CONFLICT if the store's content was replaced (another lineage) since it began. */
err_code generation_finish(store *s, uint32_t number, slice summary, bool activate,
                           err *e) ERR_CHECKED;

/* generation_remove deletes one, in transactions of bounded size; the active one is refused
 * (ERR_CONFLICT). generation_prune keeps the active one and the newest `keep` ready ones. */
err_code generation_remove(store *s, uint32_t number, err *e) ERR_CHECKED;
err_code generation_prune(store *s, uint32_t keep, uint32_t *removed, err *e) ERR_CHECKED;

/* generation_list gives all, by number, copied into `a`; generation_get one. */
err_code generation_list(store_read *r, arena *a, const generation_info **out, size_t *count,
                         err *e) ERR_CHECKED;
err_code generation_get(store_read *r, uint32_t number, arena *a, generation_info *out,
                        err *e) ERR_CHECKED;

/* generation_blob_bytes gives a blob's size; ERR_NOT_FOUND without one. generation_blob_read
 * copies `bytes` bytes from `offset` on into `out`. */
err_code generation_blob_bytes(store_read *r, uint32_t number, const char *name, size_t *bytes,
                               err *e) ERR_CHECKED;
err_code generation_blob_read(store_read *r, uint32_t number, const char *name, size_t offset,
                              void *out, size_t bytes, err *e) ERR_CHECKED;

#endif
