/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/log/message.h"

#include <string.h>

#include "core/common/mem.h"
#include "storage/log/log_private.h"

enum { NUMBER_AT = 1 + PUBLISHER_BYTES, COUNT_AT = NUMBER_AT + 8, HEAD_BYTES = COUNT_AT + 4 };

static void begin(const unsigned char publisher[PUBLISHER_BYTES], uint64_t number, size_t count,
                  encoder *x)
{
    encode_u8(x, MESSAGE_VERSION);
    encode_bytes(x, publisher, PUBLISHER_BYTES);
    encode_u64(x, number);
    encode_u32(x, (uint32_t)count);
}

static void add(const op *o, encoder *x)
{
    size_t begun = encode_string_begin(x);
    op_write(o, x);
    encode_string_end(x, begun);
}

void message_encode(const unsigned char publisher[PUBLISHER_BYTES], uint64_t number,
                    const op *const *ops, size_t count, encoder *x)
{
    begin(publisher, number, count, x);
    for (size_t i = 0; i < count; i++) {
        add(ops[i], x);
    }
}

void message_begin(const unsigned char publisher[PUBLISHER_BYTES], uint64_t number, encoder *x)
{
    begin(publisher, number, 0, x);
}

bool message_add(const op *o, size_t bytes_max, encoder *x)
{
    size_t before = x->out.length;
    uint32_t count = 0;
    if (x->out.failed != ERR_OK) {
        return false;
    }
    memcpy(&count, x->out.at + COUNT_AT, sizeof count); /* little-endian, like the machine */
    if (count >= MESSAGE_OPS_MAX) {
        return false;
    }
    add(o, x);
    if (x->out.failed != ERR_OK || x->out.length > bytes_max) {
        x->out.length = before;
        x->out.failed = x->out.failed == ERR_TOO_LARGE ? ERR_OK : x->out.failed;
        return false;
    }
    count++;
    memcpy(x->out.at + COUNT_AT, &count, sizeof count);
    return true;
}

bool message_peek(slice bytes, unsigned char publisher[PUBLISHER_BYTES], uint64_t *number)
{
    if (bytes.length < HEAD_BYTES || (unsigned char)bytes.at[0] != MESSAGE_VERSION) {
        return false;
    }
    memcpy(publisher, bytes.at + 1, PUBLISHER_BYTES);
    memcpy(number, bytes.at + NUMBER_AT, sizeof *number);
    return true;
}

static err_code decode_ops(message *m, decoder *d, op_render render, err *e)
{
    m->ops = mem_array(m->count, sizeof *m->ops);
    if (m->ops == NULL) {
        m->count = 0;
        return err_nomem(e, "a message");
    }
    err_code code = ERR_OK;
    for (size_t i = 0; i < m->count && code == ERR_OK; i++) {
        slice bytes = decode_slice(d, OP_BYTES_MAX);
        code = d->failed ? ERR_OK : op_decode(&m->ops[i], bytes, e);
        if (m->ops[i] != NULL && m->ops[i]->idempotency_key.at != NULL) {
            m->ops[i]->render = render;
        }
        if (d->failed) {
            break;
        }
    }
    return code;
}

err_code message_decode(message **out, slice bytes, op_render render, err *e)
{
    decoder d;
    *out = NULL;
    message *m = mem_array(1, sizeof *m);
    if (m == NULL) {
        return err_nomem(e, "a message");
    }
    decoder_init(&d, bytes);
    err_code code = ERR_OK;
    if (bytes.length > 0 && (unsigned char)bytes.at[0] > MESSAGE_VERSION) {
        code = err_set(e, ERR_CONFLICT,
                       "a message of version %u, but this version of stair reads up to %d",
                       (unsigned char)bytes.at[0], MESSAGE_VERSION);
    }
    if (code == ERR_OK) {
        code = decode_version(&d, MESSAGE_VERSION, "message", e);
    }
    const void *publisher = code == ERR_OK ? decode_bytes(&d, PUBLISHER_BYTES) : NULL;
    if (publisher != NULL) {
        memcpy(m->publisher, publisher, PUBLISHER_BYTES);
        m->number = decode_u64(&d);
        m->count = decode_count(&d, MESSAGE_OPS_MAX, 4);
        d.failed = d.failed || m->number == 0;
        code = d.failed ? ERR_OK : decode_ops(m, &d, render, e);
    }
    if (code == ERR_OK) {
        code = decoder_check(&d, "message", e);
    }
    if (code != ERR_OK) {
        message_free(m);
        return code;
    }
    *out = m;
    return ERR_OK;
}

void message_free(message *m)
{
    if (m == NULL) {
        return;
    }
    /* If a frame is damaged after its count, there are no ops yet. */
    for (size_t i = 0; m->ops != NULL && i < m->count; i++) {
        op_free(m->ops[i]);
    }
    mem_free(m->ops);
    mem_free(m);
}

apply_message message_borrow(const message *m, slice position)
{
    return (apply_message){.publisher = m->publisher,
                           .number = m->number,
                           .position = position,
                           .ops = (const op *const *)m->ops,
                           .count = m->count};
}
