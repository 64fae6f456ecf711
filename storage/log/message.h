/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: the encoded form of the ops that a publisher puts into an external log together.
 *
 *   version u8, publisher 16, number u64, count u32, each op as a string (storage/log/op.h)
 *
 * One message is applied whole, in one transaction with its position (apply_messages). The version
 * is that of this frame; each op has its own. A node stops applying at a message whose frame or op
 * has a newer version, or whose bytes are damaged.
 *
 * One thread at a time per message.
 */
#ifndef STORAGE_MESSAGE_H
#define STORAGE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/env/codec.h"
#include "storage/log/apply.h"
#include "storage/log/op.h"

enum { MESSAGE_VERSION = 1, MESSAGE_OPS_MAX = 4096 };

typedef struct message {
    unsigned char publisher[PUBLISHER_BYTES];
    uint64_t number; /* from 1 on */
    op **ops;        /* (count), owned */
    size_t count;
} message;

/* message_encode appends a message with these ops. encoder_check tells whether it fits. */
void message_encode(const unsigned char publisher[PUBLISHER_BYTES], uint64_t number,
                    const op *const *ops, size_t count, encoder *x);

/* The same, op by op. message_begin starts a message without ops. message_add appends one. If the
 * message would take more than `bytes_max` or have too many ops, it returns false and leaves `x`
 * unchanged. */
void message_begin(const unsigned char publisher[PUBLISHER_BYTES], uint64_t number, encoder *x);
bool message_add(const op *o, size_t bytes_max, encoder *x);

/* message_peek reads a message's publisher and number without its ops. It returns false if the
 * bytes are not of this version. */
bool message_peek(slice bytes, unsigned char publisher[PUBLISHER_BYTES], uint64_t *number);

/* message_decode reads a message. Every op with an Idempotency-Key gets `render`, which may be
 * NULL. ERR_CONFLICT: the version is newer. ERR_CORRUPT: the bytes are damaged. ERR_NOMEM. Free
 * with message_free. */
err_code message_decode(message **out, slice bytes, op_render render, err *e) ERR_CHECKED;

/* message_free accepts NULL. */
void message_free(message *m);

/* message_borrow returns the argument for apply_messages; valid as long as `m`. */
apply_message message_borrow(const message *m, slice position);

#endif
