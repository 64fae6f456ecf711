/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: the ops that a publisher puts into an external log together, as bytes.
 *
 *   version u8, publisher 16, number u64, count u32, each op as a string (storage/log/op.h)
 *
 * One message is applied whole, in one transaction with its position (apply_messages). The version
 * is that of this frame; each op has its own. A node that meets a newer one of either stops
 * applying, as does one that meets damaged bytes.
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

/* message_encode appends a message of these ops; encoder_check says whether it fits. */
void message_encode(const unsigned char publisher[PUBLISHER_BYTES], uint64_t number,
                    const op *const *ops, size_t count, encoder *x);

/* The same, op by op: message_begin starts a message without ops. message_add appends one, unless
 * the message then takes more than `bytes_max` or has too many ops: false, and `x` stays as it was.
 */
void message_begin(const unsigned char publisher[PUBLISHER_BYTES], uint64_t number, encoder *x);
bool message_add(const op *o, size_t bytes_max, encoder *x);

/* message_peek tells who published a message and its number, without looking at the ops. False: the
 * bytes are none of this version. */
bool message_peek(slice bytes, unsigned char publisher[PUBLISHER_BYTES], uint64_t *number);

/* message_decode reads a message; every op that carries an Idempotency-Key gets `render` (may be
 * NULL). ERR_CONFLICT for a newer version, ERR_CORRUPT for any other bytes, ERR_NOMEM. Free with
 * message_free. */
err_code message_decode(message **out, slice bytes, op_render render, err *e) ERR_CHECKED;

/* message_free accepts NULL. */
void message_free(message *m);

/* message_borrow gives what apply_messages takes; valid as long as `m`. */
apply_message message_borrow(const message *m, slice position);

#endif
