/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/id_table.h"

#include <assert.h>
#include <string.h>

#include "core/common/item_fields.h"
#include "core/common/mem.h"

typedef struct entry {
    uint64_t offset; /* where the id's bytes begin in `bytes` */
    uint32_t hash;
    uint32_t value;
    uint16_t length; /* 0 if the place is free */
} entry;

struct id_table {
    entry *entries; /* (capacity), open addressing, at most 3/4 full */
    size_t capacity, count;
    char *bytes;
    size_t used, reserved;
};

_Static_assert(ID_BYTES_MAX < UINT16_MAX, "an id's length fits its field");

enum { CAPACITY_FIRST = 1024, BYTES_FIRST = 16 * 1024 };

/* hash_of is FNV-1a with a final mix, because the table uses the low bits. */
static uint32_t hash_of(slice id)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < id.length; i++) {
        h = (h ^ (unsigned char)id.at[i]) * 0x100000001b3u;
    }
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

err_code id_table_new(id_table **out, err *e)
{
    *out = NULL;
    id_table *t = mem_array(1, sizeof *t);
    if (t == NULL) {
        return err_nomem(e, "a table of ids");
    }
    t->capacity = CAPACITY_FIRST;
    t->reserved = BYTES_FIRST;
    t->entries = mem_array(t->capacity, sizeof *t->entries);
    t->bytes = mem_array(t->reserved, 1);
    if (t->entries == NULL || t->bytes == NULL) {
        id_table_free(t);
        return err_nomem(e, "a table of ids");
    }
    *out = t;
    return ERR_OK;
}

void id_table_free(id_table *t)
{
    if (t != NULL) {
        mem_free(t->entries);
        mem_free(t->bytes);
        mem_free(t);
    }
}

/* place_of returns the place of `id`, or the free place where it belongs. */
static entry *place_of(const id_table *t, slice id, uint32_t hash)
{
    size_t at = hash & (t->capacity - 1);
    for (;; at = (at + 1) & (t->capacity - 1)) {
        entry *found = &t->entries[at];
        if (found->length == 0 || (found->hash == hash && found->length == id.length &&
                                   memcmp(t->bytes + found->offset, id.at, id.length) == 0)) {
            return found;
        }
    }
}

bool id_table_find(const id_table *t, slice id, uint32_t *value)
{
    const entry *found = place_of(t, id, hash_of(id));
    *value = found->value;
    return found->length != 0;
}

static err_code grow_entries(id_table *t, err *e)
{
    size_t capacity = t->capacity * 2;
    entry *grown = mem_array(capacity, sizeof *grown);
    if (grown == NULL) {
        return err_nomem(e, "a table of ids");
    }
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->entries[i].length != 0) {
            size_t at = t->entries[i].hash & (capacity - 1);
            while (grown[at].length != 0) {
                at = (at + 1) & (capacity - 1);
            }
            grown[at] = t->entries[i];
        }
    }
    mem_free(t->entries);
    t->entries = grown;
    t->capacity = capacity;
    return ERR_OK;
}

err_code id_table_add(id_table *t, slice id, uint32_t value, err *e)
{
    assert(id.length > 0 && id.length <= ID_BYTES_MAX);
    if ((t->count + 1) * 4 > t->capacity * 3) {
        err_code code = grow_entries(t, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    char *bytes = mem_reserve(t->bytes, &t->reserved, t->used + id.length, 1);
    if (bytes == NULL) {
        return err_nomem(e, "a table of ids");
    }
    t->bytes = bytes;
    uint32_t hash = hash_of(id);
    entry *free_place = place_of(t, id, hash);
    assert(free_place->length == 0);
    memcpy(t->bytes + t->used, id.at, id.length);
    *free_place = (entry){t->used, hash, value, (uint16_t)id.length};
    t->used += id.length;
    t->count++;
    return ERR_OK;
}

size_t id_table_count(const id_table *t)
{
    return t->count;
}
