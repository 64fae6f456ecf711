/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_op: the op that stores an encoder's vectors, made from items or from answered batches.
 *
 * Private to encode_run; one thread at a time.
 */
#ifndef SERVER_ENCODE_OP_H
#define SERVER_ENCODE_OP_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "server/encode/embed_call.h"
#include "server/encode/encode_batch.h"
#include "server/encode/encode_run.h"

/* Items, and the hashes of their texts. */
typedef struct encode_entries {
    size_t count;
    const slice *ids;       /* (count) */
    const uint64_t *hashes; /* (count); NULL if there is no text */
} encode_entries;

/* encode_op_apply applies one op that stores the vectors of the items `of`. If v == NULL, the op
 * removes the vectors of these items instead. */
err_code encode_op_apply(const encode_run_options *r, const encode_entries *of,
                         const embed_vectors *v, err *e) ERR_CHECKED;

/* encode_op_apply_batches applies one op, and so makes one commit, for answered batches of the same
 * width: `count` vectors from `first` on. */
err_code encode_op_apply_batches(const encode_run_options *r, const encode_batch *first,
                                 size_t count, err *e) ERR_CHECKED;

#endif
