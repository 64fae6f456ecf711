/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec: writes and reads the bytes of a record, with bounds checks.
 *
 * Records are little-endian. A record begins with a version byte, stores each length before its
 * content, and ends with a checksum (the seal). Readers strip the seal; `stair check` verifies it.
 *
 * An encoder grows up to a limit; a decoder never reads past its end. Both remember the first
 * failure and ignore later calls, so a caller encodes or decodes all fields in a row and checks for
 * errors once, at the end.
 *
 * No LMDB, no global state. One thread at a time per struct.
 */
#ifndef STORAGE_CODEC_H
#define STORAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/buffer.h"
#include "core/common/err.h"
#include "core/common/slice.h"

/* --- encoder --- */

typedef struct encoder {
    buffer out;
} encoder;

/* encoder_init allocates nothing. encoder_fini frees the bytes. encoder_clear keeps the memory for
 * reuse. */
void encoder_init(encoder *x, size_t bytes_max);
void encoder_clear(encoder *x);
void encoder_fini(encoder *x);

void encode_u8(encoder *x, uint8_t value);
void encode_u16(encoder *x, uint16_t value);
void encode_u32(encoder *x, uint32_t value);
void encode_u64(encoder *x, uint64_t value);
void encode_i64(encoder *x, int64_t value);
void encode_f32(encoder *x, float value);
void encode_f64(encoder *x, double value);
void encode_bytes(encoder *x, const void *bytes, size_t count);
/* encode_slice writes length and bytes. An absent slice is distinct from an empty one. */
void encode_slice(encoder *x, slice value);

/* A tagged field is a tag u8, a length u32 and that many bytes. A record's fields are in ascending
 * order of tags, and fields with their default value are left out. encode_field_begin writes the
 * tag. Pass its result to encode_field_end, which writes the length, after encoding the content. */
size_t encode_field_begin(encoder *x, uint8_t tag);
void encode_field_end(encoder *x, size_t begun);

/* encode_string_begin and encode_string_end write a string that is encoded in place, like
 * encode_slice. */
size_t encode_string_begin(encoder *x);
void encode_string_end(encoder *x, size_t begun);

/* encode_seal ends a record with the checksum of all its bytes. */
void encode_seal(encoder *x);

/* encoder_check turns a remembered failure into an error. `what` names what was encoded. */
err_code encoder_check(const encoder *x, const char *what, err *e) ERR_CHECKED;
slice encoder_slice(const encoder *x);

/* --- decoder --- */

typedef struct decoder {
    const unsigned char *at, *end;
    bool failed;
    bool nomem; /* memory ran out, so the bytes may be good */
} decoder;

void decoder_init(decoder *x, slice bytes);
/* decoder_init_sealed reads a record without its seal. It does not verify the seal. */
void decoder_init_sealed(decoder *x, slice bytes);
uint8_t decode_u8(decoder *x);
uint16_t decode_u16(decoder *x);
uint32_t decode_u32(decoder *x);
uint64_t decode_u64(decoder *x);
int64_t decode_i64(decoder *x);
float decode_f32(decoder *x);
double decode_f64(decoder *x);
/* decode_bytes borrows `count` bytes of the input, or returns NULL. */
const void *decode_bytes(decoder *x, size_t count);
/* decode_into copies `count` bytes of the input to `out`, or leaves `out` as it is. */
void decode_into(decoder *x, void *out, size_t count);
/* decode_slice borrows the bytes. It fails if they are longer than `length_max`. */
slice decode_slice(decoder *x, size_t length_max);
/* decode_count reads a u32. It fails if the count is above `most`, or if less than `bytes_each`
 * bytes are left for each item, so that no count causes a larger allocation than the input could
 * fill. */
uint32_t decode_count(decoder *x, uint32_t most, size_t bytes_each);

/* decode_field enters the next tagged field: `field` decodes its content, and *tag is its tag. It
 * returns false at the end and after a failure. Tags must ascend; set *tag to 0 before the first
 * call. */
bool decode_field(decoder *x, uint8_t *tag, decoder *field);
/* decode_field_end records any failure inside the field. Remaining bytes are a failure. */
void decode_field_end(decoder *x, const decoder *field);

/* decode_nomem records that an allocation failed, and stops decoding. */
void decode_nomem(decoder *x);

/* decode_version reads the first byte. ERR_CORRUPT, naming both versions, unless it is
 * `expected`. */
err_code decode_version(decoder *x, uint8_t expected, const char *what, err *e) ERR_CHECKED;

/* decoder_check returns ERR_NOMEM after decode_nomem, or ERR_CORRUPT if anything failed or bytes
 * are left. */
err_code decoder_check(const decoder *x, const char *what, err *e) ERR_CHECKED;

enum { SEAL_BYTES = 8 };

/* seal_put writes the seal of `count` bytes after them. */
void seal_put(void *bytes, size_t count);

/* seal_holds tells whether a sealed record is unchanged since it was written. */
bool seal_holds(slice bytes);

#endif
