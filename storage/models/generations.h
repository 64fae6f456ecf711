/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generations: trained models, kept side by side, one of them active.
 *
 * A generation is known by a UUID from its first byte on, and by a number once it is registered.
 * Two databases keep the two sides apart. `generations` holds what is registered: number, UUID,
 * SHA-256, size, summary. Only ops change it, so it is the same wherever the same ops were applied.
 * `held` and `blobs` hold the tables that lie in this store, by UUID.
 *
 *     building --generation_finish--> ready --OP_GENERATION_REGISTER--> registered --> active
 *        |                                                                 |
 *        +--sweep at open: gone                     OP_GENERATION_PRUNE: the tables go with a sweep
 *
 * A training writes its tables in transactions of at most 8 MiB, so that a live server beside is
 * never kept waiting; generation_finish makes them ready in one transaction, in which rows of users
 * erased meanwhile are zeroed. Whoever applies ops then registers what is ready: a number is given
 * out once and never used again. A registered generation can be activated whether its tables lie
 * here or not; what is served without them is the service's business.
 *
 * A blob whose rows belong to users says so by its stride: that is how erasure finds them. A
 * generation's SHA-256 covers every table but the content of those, which erasures change.
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
    GENERATIONS_MAX = 10000, /* registered at a time */
};

typedef struct generation_id {
    unsigned char bytes[GENERATION_ID_BYTES];
} generation_id;

typedef enum generation_state {
    GENERATION_BUILDING = 1, /* its tables are being written */
    GENERATION_READY = 2,    /* they are complete and it waits for its number */
    GENERATION_REGISTERED = 3,
} generation_state;

typedef struct generation_info {
    uint32_t number; /* 0: not registered */
    generation_id id;
    generation_state state;
    bool active;
    bool held;       /* its tables lie in this store */
    bool activate;   /* the service should activate it */
    int64_t created; /* epoch seconds */
    unsigned char lineage[LINEAGE_BYTES];
    uint64_t seq;          /* the store's when the data was read */
    uint32_t users, items; /* rows covered: [0, users) x [0, items) */
    uint64_t bytes;        /* of all blobs */
    unsigned char sha256[SHA256_BYTES];
    uint64_t active_until; /* of held tables: the seq that ended their last time as the active
                              ones; 0: none. Local to this store */
    slice summary;         /* JSON text written by the trainer's command: options, metrics, curve */
} generation_info;

/* --- what a training writes --- */

/* generation_begin makes a UUID. `info`: created, lineage, seq, users, items are used. */
err_code generation_begin(store *s, const generation_info *info, generation_id *id,
                          err *e) ERR_CHECKED;

/* generation_put stores a blob under `name` ([a-z0-9_.]+) in a generation that is building. If the
 * blob is a table with one row per user, `user_stride` is the bytes of a row, else 0. */
err_code generation_put(store *s, const generation_id *id, const char *name, const void *data,
                        size_t bytes, size_t user_stride, err *e) ERR_CHECKED;

/* generation_finish makes it ready, with the summary and whether it wants to be active.
 * ERR_CONFLICT if the store's content was replaced (another lineage) since it began. */
err_code generation_finish(store *s, const generation_id *id, slice summary, bool activate,
                           err *e) ERR_CHECKED;

/* generation_pending gives the oldest generation that is ready, with its summary copied into `a`;
 * ERR_NOT_FOUND, with `e` unset, without one. Register it by storage/log/generation_ops.h. */
err_code generation_pending(store_read *r, arena *a, generation_info *out, err *e) ERR_CHECKED;

/* generations_discard removes the tables whose generation was pruned, in transactions of bounded
 * size; *removed counts generations. For whoever applies ops, after a prune and now and then. */
err_code generations_discard(store *s, uint32_t *removed, err *e) ERR_CHECKED;

/* --- what is registered --- */

/* generation_list gives all, by number, copied into `a`; generation_get one. */
err_code generation_list(store_read *r, arena *a, const generation_info **out, size_t *count,
                         err *e) ERR_CHECKED;
err_code generation_get(store_read *r, uint32_t number, arena *a, generation_info *out,
                        err *e) ERR_CHECKED;

/* generation_number finds the number of a UUID; ERR_NOT_FOUND, with `e` unset, if it is not
 * registered. generation_held tells whether the tables of a number lie here (false also for a
 * number that is not registered). */
err_code generation_number(store_read *r, const generation_id *id, uint32_t *number,
                           err *e) ERR_CHECKED;
err_code generation_held(store_read *r, uint32_t number, bool *held, err *e) ERR_CHECKED;

/* generation_to_serve gives the generation that a start should serve: the active one if its tables
 * lie here, else the one that was active here last, else 0. */
err_code generation_to_serve(store_read *r, uint32_t *number, err *e) ERR_CHECKED;

/* generation_blob_bytes gives a blob's size; ERR_NOT_FOUND without one. generation_blob_read
 * copies `bytes` bytes from `offset` on into `out`. */
err_code generation_blob_bytes(store_read *r, uint32_t number, const char *name, size_t *bytes,
                               err *e) ERR_CHECKED;
err_code generation_blob_read(store_read *r, uint32_t number, const char *name, size_t offset,
                              void *out, size_t bytes, err *e) ERR_CHECKED;

enum { GENERATION_ID_TEXT = LINEAGE_TEXT, GENERATION_SHA256_TEXT = 2 * SHA256_BYTES + 1 };
/* generation_id_text writes it as a UUID, generation_sha256_text as hexadecimal digits, both with a
 * closing NUL. generation_id_parse reads a UUID; false for any other text. */
bool generation_id_parse(slice text, generation_id *out);
void generation_id_text(const generation_id *id, char out[GENERATION_ID_TEXT]);
void generation_sha256_text(const generation_info *info, char out[GENERATION_SHA256_TEXT]);

#endif
