/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_record: encodes and decodes the record of a generation. Registered and held
 * generations have the same one.
 */
#include <string.h>

#include "storage/models/model_private.h"

void generation_encode(const generation_info *info, encoder *x)
{
    encode_u8(x, GENERATION_RECORD_VERSION);
    encode_u8(x, (uint8_t)info->state);
    encode_u8(x, info->activate);
    encode_bytes(x, info->id.bytes, GENERATION_ID_BYTES);
    encode_bytes(x, info->sha256, SHA256_BYTES);
    encode_i64(x, info->created);
    encode_bytes(x, info->lineage, LINEAGE_BYTES);
    encode_u64(x, info->seq);
    encode_u32(x, info->users);
    encode_u32(x, info->items);
    encode_u64(x, info->bytes);
    encode_u64(x, info->active_until);
    encode_slice(x, info->summary);
    encode_seal(x);
}

err_code generation_decode(generation_info *out, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, GENERATION_RECORD_VERSION, "generation", e);
    if (code != ERR_OK) {
        return code;
    }
    uint8_t state = decode_u8(&d);
    out->state = state;
    out->activate = decode_u8(&d) != 0;
    decode_into(&d, out->id.bytes, GENERATION_ID_BYTES);
    decode_into(&d, out->sha256, SHA256_BYTES);
    out->created = decode_i64(&d);
    decode_into(&d, out->lineage, LINEAGE_BYTES);
    out->seq = decode_u64(&d);
    out->users = decode_u32(&d);
    out->items = decode_u32(&d);
    out->bytes = decode_u64(&d);
    out->active_until = decode_u64(&d);
    out->summary = decode_slice(&d, GENERATION_SUMMARY_BYTES_MAX);
    if (state < GENERATION_BUILDING || state > GENERATION_REGISTERED) {
        d.failed = true;
    }
    return decoder_check(&d, "generation", e);
}
