/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/records/users.h"

#include <string.h>

#include "storage/env/codec.h"
#include "storage/env/schema.h"
#include "storage/records/records.h"

/* unknown has texts without arguments, which err_set copies: every new id is looked up in vain
 * first. */
static err_code unknown(store_db ids, err *e)
{
    return ids == DB_USER_IDS ? err_set(e, ERR_NOT_FOUND, "unknown user")
                              : err_set(e, ERR_NOT_FOUND, "unknown item");
}

err_code row_find(store_read *r, store_db ids, slice id, const char *what, uint32_t *row, err *e)
{
    slice value;
    *row = UINT32_MAX;
    if (id.length == 0 || id.length > ID_BYTES_MAX) {
        return unknown(ids, e);
    }
    err_code code = schema_get(r, ids, id, &value, e);
    if (code == ERR_NOT_FOUND) {
        return unknown(ids, e);
    }
    if (code == ERR_OK && value.length != 4) {
        return err_set(e, ERR_CORRUPT, "%s id map: %zu bytes, expected 4", what, value.length);
    }
    *row = code == ERR_OK ? get_be32(value.at) : UINT32_MAX;
    return code;
}

err_code user_find(store_read *r, slice id, uint32_t *row, err *e)
{
    return row_find(r, DB_USER_IDS, id, "user", row, e);
}

void user_encode(int64_t created, slice id, encoder *x)
{
    encode_u8(x, USER_RECORD_VERSION);
    encode_i64(x, created);
    encode_slice(x, id);
    encode_seal(x);
}

err_code user_decode(stored_user *out, uint32_t row, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, USER_RECORD_VERSION, "user", e);
    if (code != ERR_OK) {
        return code;
    }
    out->row = row;
    out->created = decode_i64(&d);
    out->id = decode_slice(&d, ID_BYTES_MAX);
    if (out->id.length == 0) {
        d.failed = true;
    }
    return decoder_check(&d, "user", e);
}

err_code user_get(store_read *r, uint32_t row, arena *a, stored_user *out, err *e)
{
    unsigned char key[4];
    slice value, k = {(const char *)key, sizeof key};
    memset(out, 0, sizeof *out);
    put_be32(key, row);
    err_code code = schema_get(r, DB_USERS, k, &value, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_NOT_FOUND, "no user in row %u", row);
    }
    if (code == ERR_OK) {
        code = user_decode(out, row, value, e);
    }
    if (code == ERR_OK) {
        out->id = arena_slice(a, out->id);
        code = out->id.at != NULL ? ERR_OK : err_nomem(e, "a user");
    }
    return code;
}

typedef struct each_user {
    user_visit visit;
    void *ctx;
} each_user;

static err_code visit_user(void *ctx, uint32_t row, slice value, err *e)
{
    const each_user *each = ctx;
    stored_user u;
    err_code code = user_decode(&u, row, value, e);
    return code == ERR_OK ? each->visit(each->ctx, &u, e) : code;
}

err_code user_each(store_read *r, uint32_t first, user_visit visit, void *ctx, err *e)
{
    each_user each = {visit, ctx};
    return record_each(r, DB_USERS, first, visit_user, &each, e);
}

err_code user_create(store_write *w, slice id, int64_t created, uint32_t *row, err *e)
{
    slice value;
    *row = UINT32_MAX;
    if (id.length == 0 || id.length > ID_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "a user id of %zu bytes, expected 1 to %d", id.length,
                       ID_BYTES_MAX);
    }
    if (w->state.info.user_rows == UINT32_MAX) {
        return err_set(e, ERR_FULL, "all rows for users are used up");
    }
    err_code code = schema_get(&w->reads, DB_USER_IDS, id, &value, e);
    if (code == ERR_OK) {
        return err_set(e, ERR_CONFLICT, "the user exists");
    }
    unsigned char key[4];
    slice k = {(const char *)key, sizeof key};
    encoder x;
    encoder_init(&x, 1024);
    user_encode(created, id, &x);
    put_be32(key, w->state.info.user_rows);
    code = code == ERR_NOT_FOUND ? encoder_check(&x, "user", e) : code;
    if (code == ERR_OK) {
        code = schema_put(w, DB_USER_IDS, id, k, e);
    }
    if (code == ERR_OK) {
        code = schema_put(w, DB_USERS, k, encoder_slice(&x), e);
    }
    encoder_fini(&x);
    if (code == ERR_OK) {
        *row = w->state.info.user_rows++;
        w->state.info.users++;
    }
    return code;
}
