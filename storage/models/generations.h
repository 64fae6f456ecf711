/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generations: trained models, kept side by side. One of them is active.
 *
 * A generation has a UUID from its first byte on, and a number once it is registered. `generations`
 * holds what is registered: number, UUID, SHA-256, size, summary. Only ops change it, so it is the
 * same wherever the same ops were applied. `held` and `blobs` hold the tables in this store, by
 * UUID.
 *
 *     building --generation_finish--> ready --OP_GENERATION_REGISTER--> registered --> active
 *        |                                                                 |
 *        +--removed at the next open              OP_GENERATION_PRUNE: a sweep removes the tables
 *
 * A training writes its tables in transactions of at most 8 MiB, so that a live service does not
 * have to wait. generation_finish makes them ready in one transaction, in which it zeroes the rows
 * of users who were erased meanwhile. The process that applies ops then registers what is ready. A
 * number is assigned once and never reused. A registered generation can be activated whether or not
 * its tables are in this store; the service decides what to serve without them.
 *
 * A blob whose rows belong to users has a stride, by which erasure finds the rows. A generation's
 * SHA-256 covers every table, but of tables with a stride only the shape, because erasures change
 * their content.
 *
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
#include "storage/env/sha256.h"
#include "storage/env/store.h"

enum {
    BLOB_PIECE_BYTES = 1024 * 1024,
    BLOB_GROUP_BYTES = 8 * 1024 * 1024,
    BLOB_NAME_MAX = 63,
    GENERATION_ID_BYTES = 16,
    GENERATION_SUMMARY_BYTES_MAX = 16 * 1024 * 1024,
    GENERATIONS_MAX = 10000,       /* registered at the same time */
    GENERATIONS_KEEP_MAX = 100000, /* the largest number that a caller may ask to keep */
};

typedef struct generation_id {
    unsigned char bytes[GENERATION_ID_BYTES];
} generation_id;

typedef enum generation_state {
    GENERATION_BUILDING = 1, /* its tables are being written */
    GENERATION_READY = 2,    /* they are complete, but it has no number yet */
    GENERATION_REGISTERED = 3,
} generation_state;

typedef struct generation_info {
    uint32_t number; /* 0 if not registered */
    generation_id id;
    generation_state state;
    bool active;
    bool held;       /* its tables are in this store */
    bool activate;   /* the service must activate it */
    int64_t created; /* epoch seconds */
    unsigned char lineage[LINEAGE_BYTES];
    uint64_t seq;          /* the store's seq when the data was read */
    uint32_t users, items; /* rows that it covers: [0, users) x [0, items) */
    uint64_t bytes;        /* size of all blobs together */
    unsigned char sha256[SHA256_BYTES];
    /* for held tables: the seq at which they stopped being active; 0 if none. Local to this
     * store */
    uint64_t active_until;
    slice summary; /* JSON text written by the train command: options, metrics, curve */
} generation_info;

/* --- what a training writes --- */

/* generation_begin makes a UUID. It uses these members of `info`: created, lineage, seq, users,
 * items. */
err_code generation_begin(store *s, const generation_info *info, generation_id *id,
                          err *e) ERR_CHECKED;

/* generation_put stores a blob under `name` ([a-z0-9_.]+) in a generation that is building. If the
 * blob is a table with one row per user, `user_stride` is the size of a row, otherwise 0. */
err_code generation_put(store *s, const generation_id *id, const char *name, const void *data,
                        size_t bytes, size_t user_stride, err *e) ERR_CHECKED;

/* generation_finish makes a generation ready, with the summary and the wish to activate it.
 * ERR_CONFLICT: the store's content was replaced (another lineage) since it began. */
err_code generation_finish(store *s, const generation_id *id, slice summary, bool activate,
                           err *e) ERR_CHECKED;

/* generation_pending returns the oldest ready generation, with its summary copied into `a`.
 * ERR_NOT_FOUND, with `e` unset: there is none. Register it with storage/log/generation_ops.h. */
err_code generation_pending(store_read *r, arena *a, generation_info *out, err *e) ERR_CHECKED;

/* generations_discard removes the tables of pruned generations, in transactions of bounded size.
 * *removed counts generations. The process that applies ops calls it after a prune and from time to
 * time. */
err_code generations_discard(store *s, uint32_t *removed, err *e) ERR_CHECKED;

/* --- what is registered --- */

/* generation_list returns all registered generations by number, copied into `a`. generation_get
 * returns one. */
err_code generation_list(store_read *r, arena *a, const generation_info **out, size_t *count,
                         err *e) ERR_CHECKED;
err_code generation_get(store_read *r, uint32_t number, arena *a, generation_info *out,
                        err *e) ERR_CHECKED;

/* generation_number finds the number of a UUID. ERR_NOT_FOUND, with `e` unset: it is not
 * registered. generation_held tells whether the tables of a number are in this store (false for a
 * number that is not registered). */
err_code generation_number(store_read *r, const generation_id *id, uint32_t *number,
                           err *e) ERR_CHECKED;
err_code generation_held(store_read *r, uint32_t number, bool *held, err *e) ERR_CHECKED;

/* generation_to_serve returns the generation to serve at a start: the active one if its tables are
 * here, otherwise the one that was active here last, otherwise 0. */
err_code generation_to_serve(store_read *r, uint32_t *number, err *e) ERR_CHECKED;

/* generation_blob_bytes returns a blob's size. ERR_NOT_FOUND: there is none. generation_blob_read
 * copies `bytes` bytes, from `offset` on, into `out`. */
err_code generation_blob_bytes(store_read *r, uint32_t number, const char *name, size_t *bytes,
                               err *e) ERR_CHECKED;
err_code generation_blob_read(store_read *r, uint32_t number, const char *name, size_t offset,
                              void *out, size_t bytes, err *e) ERR_CHECKED;

enum { GENERATION_ID_TEXT = LINEAGE_TEXT, GENERATION_SHA256_TEXT = 2 * SHA256_BYTES + 1 };
/* generation_id_text writes an id as a UUID, generation_sha256_text as hexadecimal digits, both
 * with a closing NUL. generation_id_parse reads a UUID, and returns false for any other text. */
bool generation_id_parse(slice text, generation_id *out);
void generation_id_text(const generation_id *id, char out[GENERATION_ID_TEXT]);
void generation_sha256_text(const generation_info *info, char out[GENERATION_SHA256_TEXT]);

#endif
