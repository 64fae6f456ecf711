/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/records/interactions.h"

#include <assert.h>
#include <string.h>

#include "storage/env/schema.h"
#include "storage/records/records.h"

/* seek moves the cursor to the record (key row, other row, type); MDB_NOTFOUND if there is none.
 * With duplicates of fixed size, a search value must have that size: the unknown rest is zeroes,
 * which sort before every record with this prefix. */
static int seek(MDB_cursor *cursor, uint32_t key_row, uint32_t other, uint8_t type, MDB_val *v)
{
    unsigned char key[4], want[EDGE_VALUE_BYTES] = {0};
    put_be32(key, key_row);
    put_be32(want, other);
    want[4] = type;
    MDB_val k = val_of(key, sizeof key);
    *v = val_of(want, sizeof want);
    int rc = mdb_cursor_get(cursor, &k, v, MDB_GET_BOTH_RANGE);
    if (rc == 0 && (v->mv_size != EDGE_VALUE_BYTES || memcmp(v->mv_data, want, 5) != 0)) {
        rc = MDB_NOTFOUND;
    }
    return rc;
}

err_code interaction_get(store_read *r, uint32_t user, uint32_t item, uint8_t type,
                         interaction *out, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val v = {0, NULL};
    memset(out, 0, sizeof *out);
    int rc = mdb_cursor_open(r->txn, r->owner->dbi[DB_BY_USER], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading an interaction", e);
    }
    rc = seek(cursor, user, item, type, &v);
    err_code code = rc == 0 ? edge_decode(out, true, user, slice_of_val(v), e) : ERR_OK;
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND) {
        return err_set(e, ERR_NOT_FOUND, "no such interaction");
    }
    return code != ERR_OK ? code : schema_error(rc, "reading an interaction", e);
}

/* visit_page decodes the records that MDB_GET_MULTIPLE returned: those on one page. */
static err_code visit_page(bool by_user, uint32_t key_row, MDB_val page, interaction_visit visit,
                           void *ctx, err *e)
{
    if (page.mv_size % EDGE_VALUE_BYTES != 0) {
        return err_set(e, ERR_CORRUPT, "interactions of row %u: %zu bytes in a page", key_row,
                       page.mv_size);
    }
    err_code code = ERR_OK;
    for (size_t at = 0; at < page.mv_size && code == ERR_OK; at += EDGE_VALUE_BYTES) {
        interaction x;
        slice bytes = {(const char *)page.mv_data + at, EDGE_VALUE_BYTES};
        code = edge_decode(&x, by_user, key_row, bytes, e);
        if (code == ERR_OK) {
            code = visit(ctx, &x, e);
        }
    }
    return code;
}

/* rest_of visits the records from the cursor to the last of its key. */
static err_code rest_of(MDB_cursor *cursor, bool by_user, uint32_t key_row, interaction_visit visit,
                        void *ctx, err *e)
{
    MDB_val k = {0, NULL}, v = {0, NULL};
    err_code code = ERR_OK;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_GET_CURRENT);
    while (rc == 0 && code == ERR_OK) {
        interaction x;
        code = edge_decode(&x, by_user, key_row, slice_of_val(v), e);
        if (code == ERR_OK) {
            code = visit(ctx, &x, e);
        }
        rc = code == ERR_OK ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT_DUP) : rc;
    }
    return code != ERR_OK || rc == MDB_NOTFOUND ? code
                                                : schema_error(rc, "reading interactions", e);
}

static err_code of_row(store_read *r, store_db db, uint32_t row, uint32_t first,
                       interaction_visit visit, void *ctx, err *e)
{
    MDB_cursor *cursor = NULL;
    unsigned char key[4], want[EDGE_VALUE_BYTES] = {0};
    put_be32(key, row);
    put_be32(want, first);
    MDB_val k = val_of(key, sizeof key), v = val_of(want, sizeof want);
    int rc = mdb_cursor_open(r->txn, r->owner->dbi[db], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading interactions", e);
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_GET_BOTH_RANGE);
    err_code code = rc == 0 ? rest_of(cursor, db == DB_BY_USER, row, visit, ctx, e) : ERR_OK;
    mdb_cursor_close(cursor);
    if (code == ERR_CANCELLED) {
        return ERR_OK;
    }
    return code != ERR_OK || rc == MDB_NOTFOUND ? code
                                                : schema_error(rc, "reading interactions", e);
}

err_code interactions_of_user(store_read *r, uint32_t user, uint32_t first, interaction_visit visit,
                              void *ctx, err *e)
{
    return of_row(r, DB_BY_USER, user, first, visit, ctx, e);
}

err_code interactions_of_item(store_read *r, uint32_t item, uint32_t first, interaction_visit visit,
                              void *ctx, err *e)
{
    return of_row(r, DB_BY_ITEM, item, first, visit, ctx, e);
}

static err_code each_of(store_read *r, store_db db, interaction_visit visit, void *ctx, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_open(r->txn, r->owner->dbi[db], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading interactions", e);
    }
    err_code code = ERR_OK;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && code == ERR_OK) {
        if (k.mv_size != 4) {
            code = err_set(e, ERR_CORRUPT, "interactions: a key of %zu bytes", k.mv_size);
            break;
        }
        uint32_t row = get_be32(k.mv_data);
        rc = mdb_cursor_get(cursor, &k, &v, MDB_GET_MULTIPLE);
        while (rc == 0 && code == ERR_OK) {
            code = visit_page(db == DB_BY_USER, row, v, visit, ctx, e);
            rc = code == ERR_OK ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT_MULTIPLE) : rc;
        }
        if (rc == MDB_NOTFOUND && code == ERR_OK) {
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT_NODUP);
        }
    }
    mdb_cursor_close(cursor);
    if (code == ERR_CANCELLED) {
        return ERR_OK;
    }
    return code != ERR_OK || rc == MDB_NOTFOUND ? code
                                                : schema_error(rc, "reading interactions", e);
}

err_code interactions_each(store_read *r, interaction_visit visit, void *ctx, err *e)
{
    return each_of(r, DB_BY_USER, visit, ctx, e);
}

err_code interactions_each_by_item(store_read *r, interaction_visit visit, void *ctx, err *e)
{
    return each_of(r, DB_BY_ITEM, visit, ctx, e);
}

/* --- writing --- */

/* side_cursor lends the transaction's own cursor. */
static err_code side_cursor(store_write *w, store_db db, MDB_cursor **cursor, err *e)
{
    MDB_cursor **kept = &w->sides[db == DB_BY_ITEM];
    int rc = *kept != NULL ? 0 : mdb_cursor_open(w->txn, w->owner->dbi[db], kept);
    *cursor = *kept;
    return schema_error(rc, "writing an interaction", e);
}

/* put_side replaces the record with the same (row, other, type), if there is one. Otherwise two
 * values that differ after the prefix would be two duplicates. */
static err_code put_side(store_write *w, store_db db, const interaction *x, bool *known, err *e)
{
    bool by_user = db == DB_BY_USER;
    uint32_t row = by_user ? x->user : x->item, other = by_user ? x->item : x->user;
    unsigned char key[4], value[EDGE_VALUE_BYTES];
    MDB_cursor *cursor = NULL;
    MDB_val v = {0, NULL};
    put_be32(key, row);
    edge_encode(x, by_user, value);
    err_code code = side_cursor(w, db, &cursor, e);
    if (code != ERR_OK) {
        return code;
    }
    int rc = seek(cursor, row, other, x->type, &v);
    *known = rc == 0;
    if (rc == 0) {
        rc = mdb_cursor_del(cursor, 0);
    } else if (rc == MDB_NOTFOUND) {
        rc = 0;
    }
    if (rc == 0) {
        rc = schema_cursor_put(cursor, (slice){(const char *)key, sizeof key},
                               (slice){(const char *)value, sizeof value}, 0);
    }
    return schema_error(rc, "writing an interaction", e);
}

err_code interaction_put(store_write *w, const interaction *x, bool *known, err *e)
{
    bool mirrored = false;
    assert(x->user < w->state.info.user_rows && x->item < w->state.info.item_rows);
    err_code code = put_side(w, DB_BY_USER, x, known, e);
    if (code == ERR_OK) {
        code = put_side(w, DB_BY_ITEM, x, &mirrored, e);
    }
    if (code == ERR_OK && *known != mirrored) {
        return err_set(
            e, ERR_CORRUPT,
            "interaction of user row %u with item row %u: stored in only one of the two databases",
            x->user, x->item);
    }
    if (code == ERR_OK && !*known) {
        w->state.info.interactions++;
    }
    return code;
}

err_code interaction_append(store_write *w, const interaction *x, bool by_user, err *e)
{
    unsigned char key[4], value[EDGE_VALUE_BYTES];
    MDB_cursor *cursor = NULL;
    assert(x->user < w->state.info.user_rows && x->item < w->state.info.item_rows);
    put_be32(key, by_user ? x->user : x->item);
    edge_encode(x, by_user, value);
    err_code code = side_cursor(w, by_user ? DB_BY_USER : DB_BY_ITEM, &cursor, e);
    if (code != ERR_OK) {
        return code;
    }
    /* The cursor is at the last record, except for the first one of a transaction. */
    MDB_val k = {0, NULL}, v = {0, NULL};
    bool stands = mdb_cursor_get(cursor, &k, &v, MDB_GET_CURRENT) == 0;
    bool same = stands && k.mv_size == sizeof key && memcmp(k.mv_data, key, sizeof key) == 0;
    unsigned at_the_end = same ? MDB_APPENDDUP : stands ? MDB_APPEND : 0;
    int rc = schema_cursor_put(cursor, (slice){(const char *)key, sizeof key},
                               (slice){(const char *)value, sizeof value}, at_the_end);
    if (rc == MDB_KEYEXIST) {
        return err_set(e, ERR_INTERNAL, "interactions are appended out of order");
    }
    w->state.info.interactions += by_user && rc == 0;
    return schema_error(rc, "writing an interaction", e);
}

static err_code remove_side(store_write *w, store_db db, uint32_t row, uint32_t other, uint8_t type,
                            err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val v = {0, NULL};
    err_code code = side_cursor(w, db, &cursor, e);
    if (code != ERR_OK) {
        return code;
    }
    int rc = seek(cursor, row, other, type, &v);
    rc = rc == 0 ? mdb_cursor_del(cursor, 0) : rc;
    return rc == MDB_NOTFOUND ? ERR_NOT_FOUND : schema_error(rc, "removing an interaction", e);
}

err_code interaction_remove(store_write *w, uint32_t user, uint32_t item, uint8_t type, err *e)
{
    err_code code = remove_side(w, DB_BY_USER, user, item, type, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_NOT_FOUND, "no such interaction");
    }
    if (code == ERR_OK) {
        code = remove_side(w, DB_BY_ITEM, item, user, type, e);
    }
    if (code == ERR_NOT_FOUND) {
        return err_set(
            e, ERR_CORRUPT,
            "interaction of user row %u with item row %u: stored in only one of the two databases",
            user, item);
    }
    if (code == ERR_OK) {
        w->state.info.interactions--;
    }
    return code;
}

/* --- types --- */

static err_code get_type(store_read *r, uint8_t number, slice *name, err *e)
{
    slice value, key = {(const char *)&number, 1};
    err_code code = schema_get(r, DB_TYPES, key, &value, e);
    return code == ERR_OK ? type_decode(name, value, e) : code;
}

err_code type_decode(slice *name, slice bytes, err *e)
{
    decoder d;
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, TYPE_RECORD_VERSION, "interaction type", e);
    if (code == ERR_OK) {
        *name = decode_slice(&d, INTERACTION_TYPE_BYTES_MAX);
        d.failed = d.failed || name->length == 0;
        code = decoder_check(&d, "interaction type", e);
    }
    return code;
}

err_code type_find(store_read *r, slice name, uint8_t *number, err *e)
{
    for (*number = 0; *number < INTERACTION_TYPES_MAX; (*number)++) {
        slice known;
        err_code code = get_type(r, *number, &known, e);
        if (code == ERR_NOT_FOUND) {
            break;
        }
        if (code != ERR_OK || slice_equal(known, name)) {
            return code;
        }
    }
    return err_set(e, ERR_NOT_FOUND, "no interaction of the store has the type %.*s",
                   (int)name.length, name.at);
}

err_code type_number(store_write *w, slice name, uint8_t *number, bool *is_new, err *e)
{
    *is_new = false;
    err_code code = type_find(&w->reads, name, number, NULL);
    if (code != ERR_NOT_FOUND) {
        return code == ERR_OK ? code : err_set(e, code, "reading the interaction types");
    }
    if (*number >= INTERACTION_TYPES_MAX) {
        return err_set(e, ERR_TOO_LARGE, "more than %d interaction types", INTERACTION_TYPES_MAX);
    }
    if (name.length == 0 || name.length > INTERACTION_TYPE_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "an interaction type of %zu bytes, expected 1 to %d",
                       name.length, INTERACTION_TYPE_BYTES_MAX);
    }
    encoder x;
    encoder_init(&x, 256);
    encode_u8(&x, TYPE_RECORD_VERSION);
    encode_slice(&x, name);
    encode_seal(&x);
    slice key = {(const char *)number, 1};
    code = encoder_check(&x, "interaction type", e);
    if (code == ERR_OK) {
        code = schema_put(w, DB_TYPES, key, encoder_slice(&x), e);
    }
    encoder_fini(&x);
    *is_new = code == ERR_OK;
    return code;
}

err_code type_names(store_read *r, arena *a, const slice **out, size_t *count, err *e)
{
    *out = NULL;
    *count = 0;
    slice *made = arena_alloc(a, INTERACTION_TYPES_MAX, sizeof *made);
    err_code code = made != NULL ? ERR_OK : err_nomem(e, "interaction types");
    while (code == ERR_OK && *count < INTERACTION_TYPES_MAX) {
        code = get_type(r, (uint8_t)*count, &made[*count], e);
        if (code == ERR_OK) {
            made[*count] = arena_slice(a, made[*count]);
            code = made[*count].at != NULL ? ERR_OK : err_nomem(e, "interaction types");
            (*count)++;
        }
    }
    *out = made;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}
