/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/records/items.h"

#include <assert.h>
#include <string.h>

#include "storage/env/schema.h"
#include "storage/records/features.h"
#include "storage/records/records.h"

/* Decoding copies only lists; a record and its lists are far smaller than this. */
enum { ITEM_ARENA_BYTES = 4 * ITEM_RECORD_BYTES_MAX };

err_code item_find(store_read *r, slice id, uint32_t *row, err *e)
{
    return row_find(r, DB_ITEM_IDS, id, "item", row, e);
}

/* item_copy copies the record's bytes first, so that its strings live as long as the arena. */
static err_code item_copy(uint32_t row, slice value, arena *a, stored_item *out, err *e)
{
    slice copy = arena_slice(a, value);
    if (copy.at == NULL) {
        return err_nomem(e, "an item");
    }
    return item_decode(out, row, copy, a, e);
}

err_code item_get(store_read *r, uint32_t row, arena *a, stored_item *out, err *e)
{
    unsigned char key[4];
    slice value, k = {(const char *)key, sizeof key};
    memset(out, 0, sizeof *out);
    put_be32(key, row);
    err_code code = schema_get(r, DB_ITEMS, k, &value, e);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_NOT_FOUND, "no item in row %u", row);
    }
    return code == ERR_OK ? item_copy(row, value, a, out, e) : code;
}

typedef struct each_item {
    item_visit visit;
    void *ctx;
    arena memory;
} each_item;

static err_code visit_item(void *ctx, uint32_t row, slice value, err *e)
{
    each_item *each = ctx;
    stored_item it;
    arena_reset(&each->memory);
    err_code code = item_decode(&it, row, value, &each->memory, e);
    return code == ERR_OK ? each->visit(each->ctx, &it, e) : code;
}

err_code item_each(store_read *r, uint32_t first, item_visit visit, void *ctx, err *e)
{
    each_item each = {.visit = visit, .ctx = ctx};
    arena_init(&each.memory, ITEM_ARENA_BYTES);
    err_code code = record_each(r, DB_ITEMS, first, visit_item, &each, e);
    arena_fini(&each.memory);
    return code;
}

static err_code put_record(store_write *w, const stored_item *it, uint32_t row, err *e)
{
    unsigned char key[4];
    slice k = {(const char *)key, sizeof key};
    encoder x;
    encoder_init(&x, ITEM_RECORD_BYTES_MAX);
    item_encode(it, &x);
    put_be32(key, row);
    err_code code = encoder_check(&x, "item", e);
    if (code == ERR_OK) {
        code = schema_put(w, DB_ITEMS, k, encoder_slice(&x), e);
    }
    encoder_fini(&x);
    return code;
}

err_code item_gone(store_read *r, slice id, uint32_t *predecessor, err *e)
{
    uint32_t row = 0;
    err why = ERR_INIT;
    *predecessor = 0;
    err_code code = row_find(r, DB_GONE_IDS, id, "item", &row, &why);
    if (code == ERR_OK) {
        *predecessor = row + 1;
    }
    return code == ERR_OK || code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", why.text);
}

err_code item_create(store_write *w, const stored_item *it, uint32_t *row, err *e)
{
    slice value;
    *row = UINT32_MAX;
    if (it->id.length == 0 || it->id.length > ID_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "an item id of %zu bytes, expected 1 to %d", it->id.length,
                       ID_BYTES_MAX);
    }
    if (w->state.info.item_rows == UINT32_MAX) {
        return err_set(e, ERR_FULL, "all rows for items are used up");
    }
    err_code code = schema_get(&w->reads, DB_ITEM_IDS, it->id, &value, e);
    if (code != ERR_NOT_FOUND) {
        return code == ERR_OK ? err_set(e, ERR_CONFLICT, "the item exists") : code;
    }
    unsigned char key[4];
    slice k = {(const char *)key, sizeof key};
    put_be32(key, w->state.info.item_rows);
    code = put_record(w, it, w->state.info.item_rows, e);
    if (code == ERR_OK) {
        code = schema_put(w, DB_ITEM_IDS, it->id, k, e);
    }
    if (code == ERR_OK && it->predecessor != 0) {
        code = schema_delete(w, DB_GONE_IDS, it->id, e);
        code = code == ERR_NOT_FOUND
                   ? err_set(e, ERR_CORRUPT, "the record of a deleted id has no row")
                   : code;
    }
    if (code == ERR_OK) {
        *row = w->state.info.item_rows++;
        w->state.info.items++;
    }
    return code;
}

err_code item_put(store_write *w, const stored_item *it, err *e)
{
    assert(it->row < w->state.info.item_rows);
    return put_record(w, it, it->row, e);
}

err_code item_delete(store_write *w, uint32_t row, uint64_t seq, err *e)
{
    arena memory;
    stored_item it;
    arena_init(&memory, ITEM_ARENA_BYTES);
    err_code code = item_get(&w->reads, row, &memory, &it, e);
    if (code == ERR_OK && it.deleted) {
        code = err_set(e, ERR_NOT_FOUND, "the item of row %u is deleted", row);
    }
    for (uint8_t number = 0; code == ERR_OK && number < MODALITIES_MAX; number++) {
        bool was = false;
        code = feature_remove(w, row, number, &was, e);
    }
    if (code == ERR_OK) {
        stored_item tombstone = {.id = it.id,
                                 .deleted = true,
                                 .created = it.created,
                                 .updated_seq = seq,
                                 .predecessor = it.predecessor};
        code = put_record(w, &tombstone, row, e);
    }
    if (code == ERR_OK) {
        code = schema_delete(w, DB_ITEM_IDS, it.id, e);
        if (code == ERR_NOT_FOUND) {
            code = err_set(e, ERR_CORRUPT, "the item of row %u is not in the id map", row);
        }
    }
    if (code == ERR_OK) {
        unsigned char key[4];
        put_be32(key, row);
        code = schema_put(w, DB_GONE_IDS, it.id, (slice){(const char *)key, sizeof key}, e);
    }
    if (code == ERR_OK) {
        w->state.info.items--;
    }
    arena_fini(&memory);
    return code;
}
