/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/models/blobs.h"

#include <string.h>

#include "core/common/mem.h"
#include "storage/env/checksum.h"

/* a key is: id, name, 0, piece */
enum { BLOB_KEY_MAX = GENERATION_ID_BYTES + BLOB_NAME_MAX + 1 + 4 };

typedef struct blob_key {
    unsigned char bytes[BLOB_KEY_MAX];
    size_t length;
} blob_key;

static blob_key record_key(const generation_id *id, const char *name)
{
    blob_key key = {.length = GENERATION_ID_BYTES};
    size_t length = strnlen(name, BLOB_NAME_MAX);
    memcpy(key.bytes, id->bytes, GENERATION_ID_BYTES);
    memcpy(key.bytes + key.length, name, length);
    key.length += length + 1;
    return key;
}

static blob_key piece_key(const generation_id *id, const char *name, uint32_t piece)
{
    blob_key key = record_key(id, name);
    put_be32(key.bytes + key.length, piece);
    key.length += 4;
    return key;
}

static slice key_slice(const blob_key *key)
{
    return (slice){(const char *)key->bytes, key->length};
}

bool blob_key_is_piece(slice key)
{
    const size_t id = GENERATION_ID_BYTES;
    const char *end = key.length > id ? memchr(key.at + id, 0, key.length - id) : NULL;
    return end != NULL && end + 1 < key.at + key.length;
}

err_code blob_name_check(const char *name, err *e)
{
    size_t length = strlen(name);
    if (length == 0 || length > BLOB_NAME_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") != length) {
        return err_set(e, ERR_INTERNAL, "a blob's name must be 1 to %d of [a-z0-9_.]: %.80s",
                       BLOB_NAME_MAX, name);
    }
    return ERR_OK;
}

err_code blob_decode(blob_record *out, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, BLOB_RECORD_VERSION, "blob", e);
    if (code == ERR_OK) {
        out->bytes = decode_u64(&d);
        out->user_stride = decode_u64(&d);
        if (out->bytes > (uint64_t)1 << 50 || out->user_stride > (uint64_t)1 << 30) {
            d.failed = true;
        }
        code = decoder_check(&d, "blob", e);
    }
    return code;
}

err_code piece_decode(slice *content, slice bytes, bool verify, err *e)
{
    const unsigned char *at = (const unsigned char *)bytes.at;
    *content = (slice){NULL, 0};
    if (bytes.length < PIECE_HEADER_BYTES || bytes.length > PIECE_HEADER_BYTES + BLOB_PIECE_BYTES) {
        return err_set(e, ERR_CORRUPT, "blob piece: %zu bytes", bytes.length);
    }
    if (at[0] != BLOB_RECORD_VERSION) {
        return err_set(e, ERR_CORRUPT, "blob piece: record of version %u, expected %d", at[0],
                       BLOB_RECORD_VERSION);
    }
    *content = (slice){bytes.at + PIECE_HEADER_BYTES, bytes.length - PIECE_HEADER_BYTES};
    if (verify && checksum64(content->at, content->length) != get_be64(at + 8)) {
        return err_set(e, ERR_CORRUPT, "blob piece: the checksum does not match its content");
    }
    return ERR_OK;
}

static void piece_header(unsigned char out[PIECE_HEADER_BYTES], const void *data, size_t bytes)
{
    memset(out, 0, PIECE_HEADER_BYTES);
    out[0] = BLOB_RECORD_VERSION;
    put_be64(out + 8, checksum64(data, bytes));
}

void piece_encode(const void *data, size_t bytes, encoder *x)
{
    unsigned char header[PIECE_HEADER_BYTES];
    piece_header(header, data, bytes);
    encode_bytes(x, header, sizeof header);
    encode_bytes(x, data, bytes);
}

err_code blob_begin(store_write *w, const generation_id *id, const char *name,
                    const blob_record *record, err *e)
{
    blob_key key = record_key(id, name);
    encoder x;
    encoder_init(&x, 64);
    encode_u8(&x, BLOB_RECORD_VERSION);
    encode_u64(&x, record->bytes);
    encode_u64(&x, record->user_stride);
    encode_seal(&x);
    err_code code = encoder_check(&x, "blob", e);
    if (code == ERR_OK) {
        code = schema_put(w, DB_BLOBS, key_slice(&key), encoder_slice(&x), e);
    }
    encoder_fini(&x);
    return code;
}

static err_code put_piece(store_write *w, const blob_key *key, const void *data, size_t bytes,
                          err *e)
{
    unsigned char *at = NULL;
    err_code code = schema_reserve(w, DB_BLOBS, key_slice(key), PIECE_HEADER_BYTES + bytes, &at, e);
    if (code != ERR_OK) {
        return code;
    }
    piece_header(at, data, bytes);
    memcpy(at + PIECE_HEADER_BYTES, data, bytes);
    return ERR_OK;
}

err_code blob_pieces_put(store_write *w, const generation_id *id, const char *name, size_t offset,
                         slice part, err *e)
{
    err_code code = ERR_OK;
    for (size_t done = 0; done < part.length && code == ERR_OK; done += BLOB_PIECE_BYTES) {
        size_t left = part.length - done;
        size_t piece = left < BLOB_PIECE_BYTES ? left : BLOB_PIECE_BYTES;
        blob_key key = piece_key(id, name, (uint32_t)((offset + done) / BLOB_PIECE_BYTES));
        code = put_piece(w, &key, part.at + done, piece, e);
    }
    return code;
}

/* --- reading --- */

err_code blob_find(store_read *r, const generation_id *id, const char *name, blob_record *out,
                   err *e)
{
    blob_key key = record_key(id, name);
    slice value;
    err_code code = schema_get(r, DB_BLOBS, key_slice(&key), &value, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, code, "%s is missing", name);
    }
    return code == ERR_OK ? blob_decode(out, value, e) : code;
}

static err_code get_piece(store_read *r, const generation_id *id, const char *name, uint32_t piece,
                          bool verify, slice *content, err *e)
{
    blob_key key = piece_key(id, name, piece);
    slice value;
    err_code code = schema_get(r, DB_BLOBS, key_slice(&key), &value, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_CORRUPT, "piece %u of %s is missing", piece, name);
    }
    if (code == ERR_OK) {
        code = piece_decode(content, value, verify, e);
    }
    return code == ERR_CORRUPT ? err_context(e, "%s", name) : code;
}

err_code blob_read(store_read *r, const generation_id *id, const char *name, const blob_span *span,
                   err *e)
{
    blob_record record;
    size_t offset = span->offset, bytes = span->bytes;
    err_code code = blob_find(r, id, name, &record, e);
    if (code == ERR_OK && (offset > record.bytes || bytes > record.bytes - offset)) {
        code = err_set(e, ERR_CORRUPT, "%s has %llu bytes, expected at least %zu", name,
                       (unsigned long long)record.bytes, offset + bytes);
    }
    for (size_t done = 0; code == ERR_OK && done < bytes;) {
        size_t within = (offset + done) % BLOB_PIECE_BYTES;
        slice piece;
        code = get_piece(r, id, name, (uint32_t)((offset + done) / BLOB_PIECE_BYTES), false, &piece,
                         e);
        if (code == ERR_OK && piece.length <= within) {
            code = err_set(e, ERR_CORRUPT, "a piece of %s is too short", name);
        }
        if (code == ERR_OK) {
            size_t here =
                piece.length - within < bytes - done ? piece.length - within : bytes - done;
            memcpy((char *)span->out + done, piece.at + within, here);
            done += here;
        }
    }
    return code;
}

/* --- all blobs of a generation --- */

typedef err_code (*blob_visit)(void *ctx, const char *name, const blob_record *record, err *e);

/* blob_names_read lists the names first, because the visits that follow may write. */
err_code blob_names_read(store_read *r, const generation_id *id, blob_names *out, err *e)
{
    MDB_cursor *cursor = NULL;
    blob_key key = {.length = GENERATION_ID_BYTES};
    err_code code = ERR_OK;
    out->count = 0;
    int rc = mdb_cursor_open(r->txn, r->owner->dbi[DB_BLOBS], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading a generation", e);
    }
    memcpy(key.bytes, id->bytes, GENERATION_ID_BYTES);
    while (rc == 0 && code == ERR_OK) {
        MDB_val k = val_of(key.bytes, key.length), v = {0, NULL};
        rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (rc != 0 || k.mv_size < GENERATION_ID_BYTES ||
            memcmp(k.mv_data, id->bytes, GENERATION_ID_BYTES) != 0) {
            break;
        }
        const char *name = (const char *)k.mv_data + GENERATION_ID_BYTES;
        size_t room = k.mv_size - GENERATION_ID_BYTES, length = strnlen(name, room);
        if (length == 0 || length > BLOB_NAME_MAX || length == room || out->count == BLOBS_MAX) {
            code = err_set(e, ERR_CORRUPT, "a table's name is damaged");
            break;
        }
        memcpy(out->at[out->count], name, length);
        out->at[out->count][length] = '\0';
        key = record_key(id, out->at[out->count]);
        key.bytes[key.length - 1] = 1; /* after every piece of this blob */
        out->count++;
    }
    mdb_cursor_close(cursor);
    return code != ERR_OK || rc == 0 || rc == MDB_NOTFOUND
               ? code
               : schema_error(rc, "reading a generation", e);
}

err_code blob_get(store_read *r, const generation_id *id, const char *name, blob_record *out,
                  err *e)
{
    err why = ERR_INIT; /* the first error would stay, and its code with it */
    err_code code = blob_find(r, id, name, out, &why);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_CORRUPT, "%s has no record", name);
    }
    return code == ERR_OK ? code : err_set(e, code, "%s", why.text);
}

static err_code blobs_each(store_read *r, const generation_id *id, blob_visit visit, void *ctx,
                           err *e)
{
    blob_names *names = mem_array(1, sizeof *names);
    if (names == NULL) {
        return err_nomem(e, "a generation's names");
    }
    err_code code = blob_names_read(r, id, names, e);
    for (size_t i = 0; i < names->count && code == ERR_OK; i++) {
        blob_record record;
        code = blob_get(r, id, names->at[i], &record, e);
        if (code == ERR_OK) {
            code = visit(ctx, names->at[i], &record, e);
        }
    }
    mem_free(names);
    return code;
}

typedef struct verifying {
    store_read *r;
    const generation_id *id;
    bool verify;
    uint64_t bytes;
} verifying;

static err_code verify_blob(void *ctx, const char *name, const blob_record *record, err *e)
{
    verifying *v = ctx;
    uint64_t left = record->bytes;
    err_code code = ERR_OK;
    for (uint32_t piece = 0; left > 0 && code == ERR_OK; piece++) {
        slice content;
        size_t expected = left < BLOB_PIECE_BYTES ? (size_t)left : BLOB_PIECE_BYTES;
        code = get_piece(v->r, v->id, name, piece, v->verify, &content, e);
        if (code == ERR_OK && content.length != expected) {
            code = err_set(e, ERR_CORRUPT, "piece %u of %s has %zu bytes, expected %zu", piece,
                           name, content.length, expected);
        }
        left -= expected;
    }
    v->bytes += record->bytes;
    return code;
}

err_code blobs_complete(store_read *r, const generation_id *id, uint64_t *bytes, err *e)
{
    verifying v = {.r = r, .id = id};
    err_code code = blobs_each(r, id, verify_blob, &v, e);
    *bytes = v.bytes;
    return code;
}

err_code blobs_verify(store_read *r, const generation_id *id, err *e)
{
    verifying v = {.r = r, .id = id, .verify = true};
    return blobs_each(r, id, verify_blob, &v, e);
}

/* --- erasure --- */

typedef struct zeroing {
    store_write *w; /* NULL only looks */
    store_read *r;
    const generation_id *id;
    const uint32_t *rows;
    size_t count;
    bool changed;
    unsigned char *piece; /* (BLOB_PIECE_BYTES) a copy that can be changed */
} zeroing;

/* zero_overlap zeroes the rows' bytes in [from, from + bytes) of the blob, from row index *next on.
 * It returns whether any was not zero. */
static bool zero_overlap(const zeroing *z, uint64_t stride, uint64_t from, size_t bytes,
                         size_t *next)
{
    bool changed = false;
    for (; *next < z->count; (*next)++) {
        uint64_t begin = z->rows[*next] * stride, end = begin + stride;
        if (begin >= from + bytes) {
            break;
        }
        size_t first = begin > from ? (size_t)(begin - from) : 0;
        size_t last = end < from + bytes ? (size_t)(end - from) : bytes;
        for (size_t i = first; i < last && end > from; i++) {
            changed = changed || z->piece[i] != 0;
            z->piece[i] = 0;
        }
        if (end > from + bytes) {
            break; /* the rest of this row is in the next piece */
        }
    }
    return changed;
}

static err_code zero_blob(void *ctx, const char *name, const blob_record *record, err *e)
{
    zeroing *z = ctx;
    uint64_t stride = record->user_stride, from = 0;
    size_t next = 0;
    err_code code = ERR_OK;
    while (stride > 0 && code == ERR_OK && next < z->count) {
        uint64_t begin = z->rows[next] * stride;
        if (begin > from) {
            from = begin;
        }
        from = from / BLOB_PIECE_BYTES * BLOB_PIECE_BYTES;
        if (from >= record->bytes) {
            break;
        }
        blob_key key = piece_key(z->id, name, (uint32_t)(from / BLOB_PIECE_BYTES));
        slice value, content;
        code = schema_get(z->r, DB_BLOBS, key_slice(&key), &value, e);
        if (code == ERR_NOT_FOUND) {
            return ERR_OK; /* still being written: generation_finish will zero the rows */
        }
        if (code == ERR_OK) {
            code = piece_decode(&content, value, false, e);
        }
        if (code == ERR_OK) {
            memcpy(z->piece, content.at, content.length);
            bool changed = zero_overlap(z, stride, from, content.length, &next);
            z->changed = z->changed || changed;
            code =
                changed && z->w != NULL ? put_piece(z->w, &key, z->piece, content.length, e) : code;
        }
        from += BLOB_PIECE_BYTES;
    }
    return code;
}

static err_code zero_all(zeroing *z, err *e)
{
    z->piece = mem_array(BLOB_PIECE_BYTES, 1);
    if (z->piece == NULL) {
        return err_nomem(e, "erasing from a generation");
    }
    err_code code = blobs_each(z->r, z->id, zero_blob, z, e);
    mem_free(z->piece);
    return code;
}

err_code blobs_zero_rows(store_write *w, const generation_id *id, const uint32_t *rows,
                         size_t count, bool *changed, err *e)
{
    zeroing z = {.w = w, .r = &w->reads, .id = id, .rows = rows, .count = count};
    err_code code = zero_all(&z, e);
    *changed = z.changed;
    return code;
}

err_code blobs_users_left(store_read *r, const generation_id *id, const uint32_t *rows,
                          size_t count, bool *left, err *e)
{
    zeroing z = {.r = r, .id = id, .rows = rows, .count = count};
    err_code code = zero_all(&z, e);
    *left = z.changed;
    return code;
}

err_code blobs_remove_some(store_write *w, const generation_id *id, size_t most, bool *empty,
                           err *e)
{
    MDB_cursor *cursor = NULL;
    *empty = false;
    int rc = mdb_cursor_open(w->txn, w->owner->dbi[DB_BLOBS], &cursor);
    if (rc != 0) {
        return schema_error(rc, "removing a generation", e);
    }
    for (size_t i = 0; i < most && rc == 0; i++) {
        MDB_val k = val_of(id->bytes, GENERATION_ID_BYTES), v = {0, NULL};
        rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (rc == MDB_NOTFOUND ||
            (rc == 0 && (k.mv_size < GENERATION_ID_BYTES ||
                         memcmp(k.mv_data, id->bytes, GENERATION_ID_BYTES) != 0))) {
            *empty = true;
            rc = 0;
            break;
        }
        rc = rc == 0 ? mdb_cursor_del(cursor, 0) : rc;
    }
    mdb_cursor_close(cursor);
    return schema_error(rc, "removing a generation", e);
}
