/* SPDX-License-Identifier: Apache-2.0 */
/* interaction_record: encodes an interaction as 20 bytes, stored under its user and under its item.
 */
#include "storage/records/records.h"

#include <math.h>
#include <string.h>

/* edge_encode writes the other row (u32 big-endian, so that duplicates sort by row), type, split,
 * flags, version, time (i64 little-endian) and weight (f32 little-endian). */
void edge_encode(const interaction *x, bool by_user, unsigned char out[EDGE_VALUE_BYTES])
{
    put_be32(out, by_user ? x->item : x->user);
    out[4] = x->type;
    out[5] = x->split;
    out[6] = x->flags;
    out[7] = EDGE_RECORD_VERSION;
    unsigned char *at = out + 8;
    uint32_t weight = 0;
    memcpy(&weight, &x->weight, sizeof weight);
    put_le(&at, (uint64_t)x->time, 8);
    put_le(&at, weight, 4);
}

err_code edge_decode(interaction *out, bool by_user, uint32_t key_row, slice bytes, err *e)
{
    memset(out, 0, sizeof *out);
    if (bytes.length != EDGE_VALUE_BYTES) {
        return err_set(e, ERR_CORRUPT, "interaction of row %u: %zu bytes, expected %d", key_row,
                       bytes.length, EDGE_VALUE_BYTES);
    }
    const unsigned char *at = (const unsigned char *)bytes.at;
    uint32_t other = get_be32(at);
    out->user = by_user ? key_row : other;
    out->item = by_user ? other : key_row;
    out->type = at[4];
    out->split = at[5];
    out->flags = at[6];
    if (at[7] != EDGE_RECORD_VERSION) {
        return err_set(e, ERR_CORRUPT, "interaction of row %u: record of version %u, expected %d",
                       key_row, at[7], EDGE_RECORD_VERSION);
    }
    decoder d;
    slice rest = {bytes.at + 8, EDGE_VALUE_BYTES - 8};
    decoder_init(&d, rest);
    out->time = decode_i64(&d);
    out->weight = decode_f32(&d);
    if (out->type >= INTERACTION_TYPES_MAX || out->split > 2 ||
        (out->flags & ~(EDGE_IN_GRAPH | EDGE_SEEN)) != 0 || !isfinite(out->weight) ||
        out->weight < 0) {
        return err_set(e, ERR_CORRUPT, "interaction of row %u with row %u: a value is out of range",
                       key_row, other);
    }
    return decoder_check(&d, "interaction", e);
}
