/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/records/features.h"

#include <math.h>
#include <string.h>

#include "core/common/half.h"
#include "core/words/words.h"
#include "storage/env/schema.h"
#include "storage/records/records.h"

/* The byte of a vector's header that tells whether a client gave it. */
enum { MARK_AT = 2, MARK_GIVEN = 1 };

err_code modality_decode(modality *out, uint8_t number, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, MODALITY_RECORD_VERSION, "modality", e);
    if (code != ERR_OK) {
        return code;
    }
    out->number = number;
    out->width = decode_u32(&d);
    out->name = decode_slice(&d, MODALITY_NAME_BYTES_MAX);
    if (out->name.length == 0 || out->width == 0 || out->width > FEATURE_WIDTH_MAX) {
        d.failed = true;
    }
    return decoder_check(&d, "modality", e);
}

/* get_modality borrows the name until the transaction ends. ERR_NOT_FOUND leaves `e` unset. */
static err_code get_modality(store_read *r, uint8_t number, modality *out, err *e)
{
    slice value, key = {(const char *)&number, 1};
    err_code code = schema_get(r, DB_MODALITIES, key, &value, e);
    return code == ERR_OK ? modality_decode(out, number, value, e) : code;
}

err_code modality_list(store_read *r, arena *a, const modality **out, size_t *count, err *e)
{
    *out = NULL;
    *count = 0;
    modality *made = arena_alloc(a, MODALITIES_MAX, sizeof *made);
    err_code code = made != NULL ? ERR_OK : err_nomem(e, "the modalities");
    while (code == ERR_OK && *count < MODALITIES_MAX) {
        code = get_modality(r, (uint8_t)*count, &made[*count], e);
        if (code == ERR_NOT_FOUND) {
            break;
        }
        if (code == ERR_OK) {
            made[*count].name = arena_slice(a, made[*count].name);
            code = made[*count].name.at != NULL ? ERR_OK : err_nomem(e, "the modalities");
            (*count)++;
        }
    }
    *out = made;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* lookup finds a modality by name. ERR_NOT_FOUND leaves `e` unset; *next is then the number for a
 * new one. */
static err_code lookup(store_read *r, slice name, modality *out, uint8_t *next, err *e)
{
    for (uint8_t number = 0; number < MODALITIES_MAX; number++) {
        *next = number;
        err_code code = get_modality(r, number, out, e);
        if (code != ERR_OK || slice_equal(out->name, name)) {
            out->name = name;
            return code;
        }
    }
    *next = MODALITIES_MAX;
    return ERR_NOT_FOUND;
}

err_code modality_find(store_read *r, slice name, modality *out, err *e)
{
    uint8_t next = 0;
    err_code code = lookup(r, name, out, &next, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_NOT_FOUND, "unknown modality %.*s", (int)name.length, name.at);
    }
    return code;
}

static err_code put_modality(store_write *w, uint8_t number, uint32_t width, slice name, err *e)
{
    encoder x;
    encoder_init(&x, 1024);
    encode_u8(&x, MODALITY_RECORD_VERSION);
    encode_u32(&x, width);
    encode_slice(&x, name);
    encode_seal(&x);
    slice key = {(const char *)&number, 1};
    err_code code = encoder_check(&x, "modality", e);
    if (code == ERR_OK) {
        code = schema_put(w, DB_MODALITIES, key, encoder_slice(&x), e);
    }
    encoder_fini(&x);
    return code;
}

err_code modality_number(store_write *w, slice name, uint32_t width, uint8_t *number, bool *is_new,
                         err *e)
{
    modality known;
    *is_new = false;
    err_code code = lookup(&w->reads, name, &known, number, e);
    if (code == ERR_OK && known.width != width) {
        return err_set(e, ERR_INVALID, "expected %u numbers, not %u", known.width, width);
    }
    if (code != ERR_NOT_FOUND) {
        return code;
    }
    if (slice_equal(name, slice_of(WORDS_MODALITY))) {
        return err_set(e, ERR_INVALID,
                       "features named " WORDS_MODALITY
                       ": the name is reserved for the vectors made from items' words");
    }
    if (*number >= MODALITIES_MAX) {
        return err_set(e, ERR_TOO_LARGE, "more than %d modalities", MODALITIES_MAX);
    }
    if (width == 0 || width > FEATURE_WIDTH_MAX || name.length == 0 ||
        name.length > MODALITY_NAME_BYTES_MAX) {
        return err_set(e, ERR_INVALID,
                       "a modality needs a name of 1 to %d bytes and 1 to %d numbers",
                       MODALITY_NAME_BYTES_MAX, FEATURE_WIDTH_MAX);
    }
    code = put_modality(w, *number, width, name, e);
    *is_new = code == ERR_OK;
    return code;
}

/* --- vectors --- */

static void feature_key(unsigned char key[5], uint8_t number, uint32_t row)
{
    key[0] = number;
    put_be32(key + 1, row);
}

err_code feature_decode(feature *out, uint32_t width, slice bytes, err *e)
{
    const unsigned char *at = (const unsigned char *)bytes.at;
    memset(out, 0, sizeof *out);
    if (bytes.length < FEATURE_HEADER_BYTES || at[0] != FEATURE_RECORD_VERSION) {
        return err_set(e, ERR_CORRUPT, "feature: record of version %d, expected %d",
                       bytes.length > 0 ? at[0] : 0, FEATURE_RECORD_VERSION);
    }
    out->dtype = at[1];
    out->width = width;
    out->data = at + FEATURE_HEADER_BYTES;
    if (out->dtype != FEATURE_F2 && out->dtype != FEATURE_F4) {
        return err_set(e, ERR_CORRUPT, "feature: unknown number type %u", at[1]);
    }
    size_t expected =
        FEATURE_HEADER_BYTES + (size_t)width * feature_dtype_bytes(out->dtype) + SEAL_BYTES;
    if (bytes.length != expected) {
        return err_set(e, ERR_CORRUPT, "feature: %zu bytes, expected %zu", bytes.length, expected);
    }
    return ERR_OK;
}

err_code features_get(store_read *r, uint32_t row, arena *a, const feature **out, size_t *count,
                      err *e)
{
    *out = NULL;
    *count = 0;
    feature *made = arena_alloc(a, MODALITIES_MAX, sizeof *made);
    err_code code = made != NULL ? ERR_OK : err_nomem(e, "features");
    for (uint8_t number = 0; code == ERR_OK && number < MODALITIES_MAX; number++) {
        modality m;
        unsigned char key[5];
        slice value, k = {(const char *)key, sizeof key};
        code = get_modality(r, number, &m, e);
        if (code != ERR_OK) {
            break;
        }
        feature_key(key, number, row);
        code = schema_get(r, DB_FEATURES, k, &value, e);
        if (code == ERR_NOT_FOUND) {
            code = ERR_OK;
            continue;
        }
        feature *f = &made[*count];
        if (code == ERR_OK) {
            code = feature_decode(f, m.width, value, e);
        }
        if (code == ERR_OK) {
            f->encoded = value.at[MARK_AT] != MARK_GIVEN;
            f->modality = arena_slice(a, m.name);
            f->data = arena_copy(a, f->data, m.width * feature_dtype_bytes(f->dtype));
            code = f->modality.at != NULL && f->data != NULL ? ERR_OK : err_nomem(e, "features");
            (*count)++;
        }
    }
    *out = made;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

err_code feature_origin_get(store_read *r, uint32_t row, uint8_t number, feature_origin *out,
                            err *e)
{
    unsigned char key[5];
    slice value, k = {(const char *)key, sizeof key};
    feature_key(key, number, row);
    err_code code = schema_get(r, DB_FEATURES, k, &value, e);
    if (code == ERR_NOT_FOUND) {
        *out = FEATURE_ABSENT;
        return ERR_OK;
    }
    bool given =
        code == ERR_OK && value.length >= FEATURE_HEADER_BYTES && value.at[MARK_AT] == MARK_GIVEN;
    *out = given ? FEATURE_GIVEN : FEATURE_UNMARKED;
    return code;
}

static void widen(const feature *f, float *out)
{
    const unsigned char *at = f->data;
    if (f->dtype == FEATURE_F4) {
        memcpy(out, at, f->width * sizeof(float));
        return;
    }
    for (uint32_t i = 0; i < f->width; i++) {
        uint16_t bits = 0;
        memcpy(&bits, at + 2 * i, sizeof bits);
        out[i] = half_to_float(bits);
    }
}

err_code features_read(store_read *r, uint8_t number, uint32_t first, size_t count, float *out,
                       err *e)
{
    modality m;
    unsigned char key[5];
    err_code code = get_modality(r, number, &m, e);
    if (code != ERR_OK) {
        return code == ERR_NOT_FOUND ? err_set(e, code, "no modality %u", number) : code;
    }
    for (size_t i = 0; i < count * m.width; i++) {
        out[i] = NAN;
    }
    MDB_cursor *cursor = NULL;
    int lmdb = mdb_cursor_open(r->txn, r->owner->dbi[DB_FEATURES], &cursor);
    if (lmdb != 0) {
        return schema_error(lmdb, "reading features", e);
    }
    feature_key(key, number, first);
    MDB_val k = val_of(key, sizeof key), v = {0, NULL};
    lmdb = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (lmdb == 0 && code == ERR_OK) {
        const unsigned char *at = k.mv_data;
        uint32_t row = k.mv_size == 5 ? get_be32(at + 1) : 0;
        if (k.mv_size != 5 || at[0] != number || row - first >= count) {
            break;
        }
        feature f;
        code = feature_decode(&f, m.width, slice_of_val(v), e);
        if (code == ERR_OK) {
            widen(&f, out + (size_t)(row - first) * m.width);
            lmdb = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    if (code == ERR_OK && lmdb != 0 && lmdb != MDB_NOTFOUND) {
        return schema_error(lmdb, "reading features", e);
    }
    return code;
}

static err_code put_vector(store_write *w, uint32_t row, uint8_t number, const feature *f,
                           unsigned char mark, err *e)
{
    unsigned char key[5];
    size_t bytes = (size_t)f->width * feature_dtype_bytes(f->dtype);
    feature_key(key, number, row);
    unsigned char *at = NULL;
    slice k = {(const char *)key, sizeof key};
    err_code code =
        schema_reserve(w, DB_FEATURES, k, FEATURE_HEADER_BYTES + bytes + SEAL_BYTES, &at, e);
    if (code != ERR_OK) {
        return code;
    }
    at[0] = FEATURE_RECORD_VERSION;
    at[1] = (unsigned char)f->dtype;
    at[MARK_AT] = mark;
    at[3] = 0;
    memcpy(at + FEATURE_HEADER_BYTES, f->data, bytes);
    seal_put(at, FEATURE_HEADER_BYTES + bytes);
    return ERR_OK;
}

err_code feature_put(store_write *w, uint32_t row, uint8_t number, const feature *f, err *e)
{
    return put_vector(w, row, number, f, MARK_GIVEN, e);
}

err_code feature_put_encoded(store_write *w, uint32_t row, uint8_t number, const feature *f, err *e)
{
    return put_vector(w, row, number, f, 0, e);
}

err_code feature_remove(store_write *w, uint32_t row, uint8_t number, bool *was, err *e)
{
    unsigned char key[5];
    slice k = {(const char *)key, sizeof key};
    feature_key(key, number, row);
    err_code code = schema_delete(w, DB_FEATURES, k, e);
    *was = code == ERR_OK;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static err_code remove_all(store_write *w, uint8_t number, err *e)
{
    MDB_cursor *cursor = NULL;
    unsigned char key[5];
    feature_key(key, number, 0);
    MDB_val k = val_of(key, sizeof key), v = {0, NULL};
    int lmdb = mdb_cursor_open(w->reads.txn, w->reads.owner->dbi[DB_FEATURES], &cursor);
    if (lmdb != 0) {
        return schema_error(lmdb, "removing features", e);
    }
    lmdb = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (lmdb == 0 && k.mv_size == sizeof key && *(const unsigned char *)k.mv_data == number) {
        lmdb = mdb_cursor_del(cursor, 0);
        lmdb = lmdb == 0 ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : lmdb;
    }
    mdb_cursor_close(cursor);
    return lmdb == 0 || lmdb == MDB_NOTFOUND ? ERR_OK : schema_error(lmdb, "removing features", e);
}

err_code modality_resize(store_write *w, slice name, uint32_t width, err *e)
{
    modality known;
    err_code code = modality_find(&w->reads, name, &known, e);
    if (code == ERR_OK) {
        code = remove_all(w, known.number, e);
    }
    return code == ERR_OK ? put_modality(w, known.number, width, name, e) : code;
}
