/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/records/items.h"

#include <assert.h>
#include <string.h>

#include "storage/env/schema.h"
#include "storage/records/features.h"
#include "storage/records/records.h"

/* Decoding copies nothing but lists; a record and its lists fit far below this. */
enum { ITEM_ARENA_BYTES = 4 * ITEM_RECORD_BYTES_MAX };

err_code item_find(store_read *r, slice id, uint32_t *row, err *e)
{
    return row_find(r, DB_ITEM_IDS, id, "item", row, e);
}

/* The record's bytes are copied first, so that every string in it lives as long as the arena. */
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
    err_code rc = schema_get(r, DB_ITEMS, k, &value, e);
    if (rc == ERR_NOT_FOUND) {
        return err_set(e, ERR_NOT_FOUND, "no item in row %u", row);
    }
    return rc == ERR_OK ? item_copy(row, value, a, out, e) : rc;
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
    err_code rc = item_decode(&it, row, value, &each->memory, e);
    return rc == ERR_OK ? each->visit(each->ctx, &it, e) : rc;
}

err_code item_each(store_read *r, uint32_t first, item_visit visit, void *ctx, err *e)
{
    each_item each = {.visit = visit, .ctx = ctx};
    arena_init(&each.memory, ITEM_ARENA_BYTES);
    err_code rc = record_each(r, DB_ITEMS, first, visit_item, &each, e);
    arena_fini(&each.memory);
    return rc;
}

static err_code put_record(store_write *w, const stored_item *it, uint32_t row, err *e)
{
    unsigned char key[4];
    slice k = {(const char *)key, sizeof key};
    encoder x;
    encoder_init(&x, ITEM_RECORD_BYTES_MAX);
    item_encode(it, &x);
    put_be32(key, row);
    err_code rc = encoder_check(&x, "item", e);
    rc = rc == ERR_OK ? schema_put(w, DB_ITEMS, k, encoder_slice(&x), e) : rc;
    encoder_fini(&x);
    return rc;
}

err_code item_gone(store_read *r, slice id, uint32_t *predecessor, err *e)
{
    uint32_t row = 0;
    err why = ERR_INIT;
    *predecessor = 0;
    err_code rc = row_find(r, DB_GONE_IDS, id, "item", &row, &why);
    if (rc == ERR_OK) {
        *predecessor = row + 1;
    }
    return rc == ERR_OK || rc == ERR_NOT_FOUND ? ERR_OK : err_set(e, rc, "%s", why.text);
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
    err_code rc = schema_get(&w->reads, DB_ITEM_IDS, it->id, &value, e);
    if (rc != ERR_NOT_FOUND) {
        return rc == ERR_OK ? err_set(e, ERR_CONFLICT, "the item exists") : rc;
    }
    unsigned char key[4];
    slice k = {(const char *)key, sizeof key};
    put_be32(key, w->state.info.item_rows);
    rc = put_record(w, it, w->state.info.item_rows, e);
    rc = rc == ERR_OK ? schema_put(w, DB_ITEM_IDS, it->id, k, e) : rc;
    if (rc == ERR_OK && it->predecessor != 0) {
        rc = schema_delete(w, DB_GONE_IDS, it->id, e);
        rc = rc == ERR_NOT_FOUND ? err_set(e, ERR_CORRUPT, "a deleted id has no row") : rc;
    }
    if (rc == ERR_OK) {
        *row = w->state.info.item_rows++;
        w->state.info.items++;
    }
    return rc;
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
    err_code rc = item_get(&w->reads, row, &memory, &it, e);
    if (rc == ERR_OK && it.deleted) {
        rc = err_set(e, ERR_NOT_FOUND, "the item of row %u is deleted", row);
    }
    for (uint8_t number = 0; rc == ERR_OK && number < MODALITIES_MAX; number++) {
        bool was = false;
        rc = feature_remove(w, row, number, &was, e);
    }
    if (rc == ERR_OK) {
        stored_item tombstone = {.id = it.id,
                                 .deleted = true,
                                 .created = it.created,
                                 .updated_seq = seq,
                                 .predecessor = it.predecessor};
        rc = put_record(w, &tombstone, row, e);
    }
    if (rc == ERR_OK) {
        rc = schema_delete(w, DB_ITEM_IDS, it.id, e);
        if (rc == ERR_NOT_FOUND) {
            rc = err_set(e, ERR_CORRUPT, "the item of row %u is not in the id map", row);
        }
    }
    if (rc == ERR_OK) {
        unsigned char key[4];
        put_be32(key, row);
        rc = schema_put(w, DB_GONE_IDS, it.id, (slice){(const char *)key, sizeof key}, e);
    }
    if (rc == ERR_OK) {
        w->state.info.items--;
    }
    arena_fini(&memory);
    return rc;
}
