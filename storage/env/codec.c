/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/env/codec.h"

#include <endian.h>
#include <string.h>

#include "core/common/mem.h"
#include "storage/env/checksum.h"

enum { SLICE_ABSENT_LENGTH = 0xffffffff };

void encoder_init(encoder *x, size_t bytes_max)
{
    buffer_init(&x->out, bytes_max);
}

void encoder_clear(encoder *x)
{
    buffer_reset(&x->out, SIZE_MAX);
}

void encoder_fini(encoder *x)
{
    buffer_fini(&x->out);
}

void encode_bytes(encoder *x, const void *bytes, size_t count)
{
    buffer_put(&x->out, bytes, count);
}

void encode_u8(encoder *x, uint8_t value)
{
    encode_bytes(x, &value, 1);
}

void encode_u16(encoder *x, uint16_t value)
{
    value = htole16(value);
    encode_bytes(x, &value, sizeof value);
}

void encode_u32(encoder *x, uint32_t value)
{
    value = htole32(value);
    encode_bytes(x, &value, sizeof value);
}

void encode_u64(encoder *x, uint64_t value)
{
    value = htole64(value);
    encode_bytes(x, &value, sizeof value);
}

void encode_i64(encoder *x, int64_t value)
{
    encode_u64(x, (uint64_t)value);
}

void encode_f32(encoder *x, float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    encode_u32(x, bits);
}

void encode_f64(encoder *x, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    encode_u64(x, bits);
}

void encode_slice(encoder *x, slice value)
{
    if (value.at == NULL) {
        encode_u32(x, SLICE_ABSENT_LENGTH);
        return;
    }
    if (value.length >= SLICE_ABSENT_LENGTH) {
        x->out.failed = x->out.failed != ERR_OK ? x->out.failed : ERR_TOO_LARGE;
        return;
    }
    encode_u32(x, (uint32_t)value.length);
    encode_bytes(x, value.at, value.length);
}

size_t encode_string_begin(encoder *x)
{
    encode_u32(x, 0);
    return x->out.length;
}

void encode_string_end(encoder *x, size_t begun)
{
    if (x->out.failed == ERR_OK) {
        uint32_t length = htole32((uint32_t)(x->out.length - begun));
        memcpy(x->out.at + begun - sizeof length, &length, sizeof length);
    }
}

size_t encode_field_begin(encoder *x, uint8_t tag)
{
    encode_u8(x, tag);
    return encode_string_begin(x);
}

void encode_field_end(encoder *x, size_t begun)
{
    encode_string_end(x, begun);
}

void encode_seal(encoder *x)
{
    encode_u64(x, x->out.failed == ERR_OK ? checksum64(x->out.at, x->out.length) : 0);
}

err_code encoder_check(const encoder *x, const char *what, err *e)
{
    if (x->out.failed == ERR_TOO_LARGE) {
        return err_set(e, ERR_TOO_LARGE, "%s: more than %zu bytes", what, x->out.bytes_max);
    }
    return x->out.failed == ERR_OK ? ERR_OK : err_nomem(e, what);
}

slice encoder_slice(const encoder *x)
{
    slice s = buffer_slice(&x->out);
    return s.at != NULL ? s : slice_of("");
}

void decoder_init(decoder *x, slice bytes)
{
    x->at = (const unsigned char *)(bytes.at != NULL ? bytes.at : "");
    x->end = x->at + bytes.length;
    x->failed = x->nomem = false;
}

void decoder_init_sealed(decoder *x, slice bytes)
{
    bool whole = bytes.length > SEAL_BYTES;
    bytes.length = whole ? bytes.length - SEAL_BYTES : 0;
    decoder_init(x, bytes);
    x->failed = !whole;
}

const void *decode_bytes(decoder *x, size_t count)
{
    if (x->failed || count > (size_t)(x->end - x->at)) {
        x->failed = true;
        return NULL;
    }
    const void *at = x->at;
    x->at += count;
    return at;
}

void decode_into(decoder *x, void *out, size_t count)
{
    const void *at = decode_bytes(x, count);
    if (at != NULL) {
        memcpy(out, at, count);
    }
}

static void decode_fixed(decoder *x, void *out, size_t count)
{
    const void *at = decode_bytes(x, count);
    if (at != NULL) {
        memcpy(out, at, count);
    } else {
        memset(out, 0, count);
    }
}

uint8_t decode_u8(decoder *x)
{
    uint8_t value = 0;
    decode_fixed(x, &value, sizeof value);
    return value;
}

uint16_t decode_u16(decoder *x)
{
    uint16_t value = 0;
    decode_fixed(x, &value, sizeof value);
    return le16toh(value);
}

uint32_t decode_u32(decoder *x)
{
    uint32_t value = 0;
    decode_fixed(x, &value, sizeof value);
    return le32toh(value);
}

uint64_t decode_u64(decoder *x)
{
    uint64_t value = 0;
    decode_fixed(x, &value, sizeof value);
    return le64toh(value);
}

int64_t decode_i64(decoder *x)
{
    return (int64_t)decode_u64(x);
}

float decode_f32(decoder *x)
{
    uint32_t bits = decode_u32(x);
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double decode_f64(decoder *x)
{
    uint64_t bits = decode_u64(x);
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

slice decode_slice(decoder *x, size_t length_max)
{
    slice value = {NULL, 0};
    uint32_t length = decode_u32(x);
    if (x->failed || length == SLICE_ABSENT_LENGTH) {
        return value;
    }
    if (length > length_max) {
        x->failed = true;
        return value;
    }
    value.at = decode_bytes(x, length);
    value.length = value.at != NULL ? length : 0;
    return value;
}

uint32_t decode_count(decoder *x, uint32_t most, size_t bytes_each)
{
    uint32_t count = decode_u32(x);
    size_t left = x->failed ? 0 : (size_t)(x->end - x->at);
    if (x->failed || count > most || (bytes_each > 0 && count > left / bytes_each)) {
        x->failed = true;
        return 0;
    }
    return count;
}

bool decode_field(decoder *x, uint8_t *tag, decoder *field)
{
    if (x->failed || x->at == x->end) {
        return false;
    }
    uint8_t next = decode_u8(x);
    slice content = {NULL, 0};
    content.length = decode_u32(x);
    content.at = decode_bytes(x, content.length);
    if (next <= *tag) {
        x->failed = true;
    }
    *tag = next;
    decoder_init(field, content);
    return !x->failed;
}

void decode_field_end(decoder *x, const decoder *field)
{
    x->failed = x->failed || field->failed || field->at != field->end;
    x->nomem = x->nomem || field->nomem;
}

void seal_put(void *bytes, size_t count)
{
    uint64_t sum = htole64(checksum64(bytes, count));
    memcpy((char *)bytes + count, &sum, sizeof sum);
}

bool seal_holds(slice bytes)
{
    uint64_t sum = 0;
    if (bytes.length <= SEAL_BYTES) {
        return false;
    }
    memcpy(&sum, bytes.at + bytes.length - SEAL_BYTES, sizeof sum);
    return le64toh(sum) == checksum64(bytes.at, bytes.length - SEAL_BYTES);
}

err_code decode_version(decoder *x, uint8_t expected, const char *what, err *e)
{
    uint8_t version = decode_u8(x);
    if (x->failed) {
        return err_set(e, ERR_CORRUPT, "%s: empty record", what);
    }
    if (version != expected) {
        return err_set(e, ERR_CORRUPT, "%s: record of version %u, expected %u", what, version,
                       expected);
    }
    return ERR_OK;
}

void decode_nomem(decoder *x)
{
    x->failed = true;
    x->nomem = true;
}

err_code decoder_check(const decoder *x, const char *what, err *e)
{
    if (x->nomem) {
        return err_nomem(e, what);
    }
    if (x->failed) {
        return err_set(e, ERR_CORRUPT, "%s: record is truncated or out of range", what);
    }
    if (x->at != x->end) {
        return err_set(e, ERR_CORRUPT, "%s: record is %zu bytes too long", what,
                       (size_t)(x->end - x->at));
    }
    return ERR_OK;
}
