/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/migrate_records.h"

#include <endian.h>
#include <string.h>

#include "core/words/words.h"
#include "storage/log/op.h"
#include "storage/models/model_private.h"
#include "storage/records/records.h"

enum {
    OLD_VERSION = 1, /* version byte of every record of formats 1 and 2, except the state */
    OLD_HIDDEN = 1,
    OLD_DELETED = 2,
    OLD_PIECE_HEADER_BYTES = 8,
    OLD_STATE_BYTES = 1 + 16 + 8 + 4 + 4 + 8 + 8 + 8 + 4 + 8 + 8 + 4 + 8 + 1,
};

/* The checksum of pieces in formats 1 and 2: xxHash64's four lanes, reduced. */
static const uint64_t prime_a = 0x9e3779b185ebca87u, prime_b = 0xc2b2ae3d27d4eb4fu;

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum += word * prime_b;
    sum = sum << 31 | sum >> 33;
    return sum * prime_a;
}

static uint64_t old_checksum(const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    uint64_t lanes[4] = {prime_a, prime_b, prime_a ^ prime_b, prime_a + prime_b};
    size_t left = count;
    for (; left >= 32; left -= 32, at += 32) {
        for (int lane = 0; lane < 4; lane++) {
            uint64_t word;
            memcpy(&word, at + 8 * lane, sizeof word);
            lanes[lane] = mix(lanes[lane], le64toh(word));
        }
    }
    uint64_t sum = (uint64_t)count;
    for (int lane = 0; lane < 4; lane++) {
        sum = mix(sum, lanes[lane]);
    }
    for (; left > 0; left--, at++) {
        sum = mix(sum, *at);
    }
    sum ^= sum >> 29;
    sum *= prime_b;
    return sum ^ sum >> 32;
}

/* reseal copies a record with a new version byte and a seal. Most records differ in no more. */
static err_code reseal(slice value, uint8_t version, const char *what, encoder *out, err *e)
{
    decoder d;
    decoder_init(&d, value);
    err_code code = decode_version(&d, OLD_VERSION, what, e);
    if (code == ERR_OK) {
        encode_u8(out, version);
        encode_bytes(out, value.at + 1, value.length - 1);
        encode_seal(out);
        code = encoder_check(out, what, e);
    }
    return code;
}

err_code old_item(slice value, arena *memory, stored_item *it, err *e)
{
    decoder d;
    memset(it, 0, sizeof *it);
    decoder_init(&d, value);
    err_code code = decode_version(&d, OLD_VERSION, "item", e);
    if (code != ERR_OK) {
        return code;
    }
    uint8_t flags = decode_u8(&d);
    it->hidden = (flags & OLD_HIDDEN) != 0;
    it->deleted = (flags & OLD_DELETED) != 0;
    it->created = decode_i64(&d);
    it->updated_seq = decode_u64(&d);
    it->id = decode_slice(&d, ID_BYTES_MAX);
    it->title = decode_slice(&d, TITLE_BYTES_MAX);
    slices_decode(&d, memory, CATEGORIES_MAX, CATEGORY_BYTES_MAX, &it->categories,
                  &it->category_count);
    attributes_decode(&d, memory, &it->attributes, &it->attribute_count);
    if (it->id.length == 0 || (flags & ~(OLD_HIDDEN | OLD_DELETED)) != 0) {
        d.failed = true;
    }
    return decoder_check(&d, "item", e);
}

/* old_modality refuses a modality of the name that is reserved, from format 3 on, for the modality
 * made from items' words. */
static err_code old_modality(slice value, encoder *out, err *e)
{
    decoder d;
    decoder_init(&d, value);
    err_code code = decode_version(&d, OLD_VERSION, "modality", e);
    if (code == ERR_OK) {
        (void)decode_u32(&d);
        slice name = decode_slice(&d, MODALITY_NAME_BYTES_MAX);
        if (slice_equal(name, slice_of(WORDS_MODALITY))) {
            code = err_set(e, ERR_INVALID,
                           "the store has features named " WORDS_MODALITY
                           ", a name that is now reserved for the vectors made from items' words; "
                           "export the store with the older version of stair, rename these "
                           "features and import the result");
        }
    }
    return code == ERR_OK ? reseal(value, MODALITY_RECORD_VERSION, "modality", out, e) : code;
}

static err_code old_piece(slice value, encoder *out, err *e)
{
    const unsigned char *at = (const unsigned char *)value.at;
    if (value.length < OLD_PIECE_HEADER_BYTES || at[0] != OLD_VERSION) {
        return err_set(e, ERR_CORRUPT, "blob piece: %zu bytes of another format", value.length);
    }
    const void *content = at + OLD_PIECE_HEADER_BYTES;
    size_t bytes = value.length - OLD_PIECE_HEADER_BYTES;
    if ((uint32_t)old_checksum(content, bytes) != get_be32(at + 4)) {
        return err_set(e, ERR_CORRUPT, "blob piece: the checksum does not match its content");
    }
    piece_encode(content, bytes, out);
    return encoder_check(out, "blob piece", e);
}

/* old_key_is_piece tells a piece's key, which ends with its number, from a blob record's key, which
 * ends with the zero byte after the name. */
static bool old_key_is_piece(slice key)
{
    const char *end = key.length > 4 ? memchr(key.at + 4, 0, key.length - 4) : NULL;
    return end != NULL && end + 1 < key.at + key.length;
}

err_code old_generation(slice value, generation_info *out, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init(&d, value);
    err_code code = decode_version(&d, OLD_VERSION, "generation", e);
    if (code != ERR_OK) {
        return code;
    }
    uint8_t state = decode_u8(&d);
    out->state = state;
    out->activate = decode_u8(&d) != 0;
    out->created = decode_i64(&d);
    const void *lineage = decode_bytes(&d, LINEAGE_BYTES);
    if (lineage != NULL) {
        memcpy(out->lineage, lineage, LINEAGE_BYTES);
    }
    out->seq = decode_u64(&d);
    out->users = decode_u32(&d);
    out->items = decode_u32(&d);
    out->bytes = decode_u64(&d);
    out->summary = decode_slice(&d, GENERATION_SUMMARY_BYTES_MAX);
    d.failed |= state != GENERATION_BUILDING && state != GENERATION_READY;
    return decoder_check(&d, "generation", e);
}

err_code old_generation_id(const unsigned char lineage[LINEAGE_BYTES], uint32_t number,
                           generation_id *out, err *e)
{
    static const char what[] = "stair generation";
    unsigned char key[4], sum[SHA256_BYTES];
    sha256_sum h;
    put_be32(key, number);
    err_code code = sha256_begin(&h, e);
    if (code != ERR_OK) {
        return code;
    }
    sha256_add(&h, what, sizeof what - 1);
    sha256_add(&h, lineage, LINEAGE_BYTES);
    sha256_add(&h, key, sizeof key);
    code = sha256_end(&h, sum, e);
    if (code == ERR_OK) {
        memcpy(out->bytes, sum, GENERATION_ID_BYTES);
        out->bytes[6] = (unsigned char)((out->bytes[6] & 0x0f) | 0x80); /* RFC 9562: version 8 */
        out->bytes[8] = (unsigned char)((out->bytes[8] & 0x3f) | 0x80);
    }
    return code;
}

err_code old_record(store_db db, slice key, slice value, encoder *out, err *e)
{
    switch (db) {
    case DB_MODALITIES: return old_modality(value, out, e);
    case DB_TYPES: return reseal(value, TYPE_RECORD_VERSION, "interaction type", out, e);
    case DB_USERS: return reseal(value, USER_RECORD_VERSION, "user", out, e);
    case DB_FEATURES: return reseal(value, FEATURE_RECORD_VERSION, "feature", out, e);
    case DB_IDEMPOTENCY:
        return reseal(value, IDEMPOTENCY_RECORD_VERSION, "idempotency record", out, e);
    case DB_BLOBS:
        return old_key_is_piece(key) ? old_piece(value, out, e)
                                     : reseal(value, BLOB_RECORD_VERSION, "blob", out, e);
    default:
        return err_set(e, ERR_INTERNAL, "database %d has no records of an older format", (int)db);
    }
}

err_code old_kept_time(slice value, int64_t *time, err *e)
{
    decoder d;
    decoder_init(&d, value);
    err_code code = decode_version(&d, OLD_VERSION, "idempotency record", e);
    *time = code == ERR_OK ? decode_i64(&d) : 0;
    return code == ERR_OK && d.failed ? err_set(e, ERR_CORRUPT, "idempotency record: truncated")
                                      : code;
}

err_code old_state(slice value, store_state *out, err *e)
{
    decoder d;
    uint8_t version = value.length > 0 ? (uint8_t)value.at[0] : 0;
    bool known = (version == 1 && value.length == OLD_STATE_BYTES) ||
                 (version == 2 && value.length == OLD_STATE_BYTES + EXTERNAL_POSITION_MAX);
    if (!known) {
        return err_set(e, ERR_CORRUPT, "the state record is not one of format 1 or 2");
    }
    memset(out, 0, sizeof *out);
    decoder_init(&d, (slice){value.at + 1, value.length - 1});
    memcpy(out->info.lineage, decode_bytes(&d, LINEAGE_BYTES), LINEAGE_BYTES);
    out->info.seq = decode_u64(&d);
    out->info.user_rows = decode_u32(&d);
    out->info.item_rows = decode_u32(&d);
    out->info.users = decode_u64(&d);
    out->info.items = decode_u64(&d);
    out->info.interactions = decode_u64(&d);
    out->info.generation = decode_u32(&d);
    out->info.erased_seq = decode_u64(&d);
    out->info.data_seq = decode_u64(&d);
    out->next_generation = decode_u32(&d);
    (void)decode_u64(&d); /* size of the log, which begins empty */
    out->snapshot = decode_u8(&d) != 0;
    if (version == 2) {
        memcpy(out->info.external, decode_bytes(&d, EXTERNAL_POSITION_MAX), EXTERNAL_POSITION_MAX);
    }
    return decoder_check(&d, "the state", e);
}
