/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_queue: which items still have to be encoded, in the order in which they came.
 *
 * It holds rows only, and a text is read when its call is made: a million waiting items take 4 MB.
 * A row waits at most once, however often its item changes.
 *
 * Thread-safe.
 */
#ifndef SERVER_ENCODE_QUEUE_H
#define SERVER_ENCODE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct encode_queue encode_queue;

err_code encode_queue_new(encode_queue **out, err *e) ERR_CHECKED;
void encode_queue_free(encode_queue *q); /* accepts NULL */

/* encode_queue_add appends a row unless it waits already. */
err_code encode_queue_add(encode_queue *q, uint32_t row, err *e) ERR_CHECKED;

/* encode_queue_take removes up to `most` rows, in the order in which they came. */
size_t encode_queue_take(encode_queue *q, uint32_t *rows, size_t most);

/* encode_queue_count returns how many rows wait. */
size_t encode_queue_count(encode_queue *q);

#endif
