/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap: the append-only id table. See the header for the contract.
 *
 * Publication: an entry is written whole before its slot in the hash table is stored with release
 * order, and slots are loaded with acquire order, so whoever finds a row can read its entry. A
 * slot holds row + 1; 0 ends a probe; SLOT_GONE is passed over.
 */
#include "core/common/idmap.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"

enum {
    CHUNK_FIRST_BITS = 10, /* chunk c holds 1 << (CHUNK_FIRST_BITS + c) entries */
    CHUNKS = 23,
    SLOTS_FIRST = 1024,
    BLOCK_BYTES = 64 * 1024
};
#define SLOT_GONE UINT32_MAX

typedef struct entry {
    const char *at; /* NULL if the row has no id */
    uint32_t length;
    uint32_t hash;
} entry;

typedef struct table {
    struct table *older;
    size_t mask;
    atomic_uint slots[];
} table;

typedef struct block {
    struct block *older;
    size_t used, room;
    char bytes[];
} block;

struct idmap {
    _Atomic(table *) table;
    _Atomic(entry *) chunks[CHUNKS];
    /* used by the writer alone */
    size_t rows;
    size_t filled; /* slots that are not 0, including SLOT_GONE */
    block *blocks;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    return x ^ (x >> 32);
}

static uint32_t hash_of(slice id)
{
    uint64_t h = 0x9e3779b97f4a7c15ULL ^ id.length;
    size_t i = 0;
    for (; i + 8 <= id.length; i += 8) {
        uint64_t word;
        memcpy(&word, id.at + i, 8);
        h = mix(h ^ word) + 0x9e3779b97f4a7c15ULL;
    }
    uint64_t rest = 0;
    if (i < id.length) {
        memcpy(&rest, id.at + i, id.length - i);
    }
    return (uint32_t)mix(h ^ rest);
}

/* chunk_of splits a row into its chunk and its place inside the chunk. */
static unsigned chunk_of(uint32_t row, size_t *place)
{
    uint64_t at = (uint64_t)row + (1U << CHUNK_FIRST_BITS);
    unsigned top = 63U - (unsigned)__builtin_clzll(at);
    *place = (size_t)(at - (1ULL << top));
    return top - CHUNK_FIRST_BITS;
}

static entry *entry_of(const idmap *m, uint32_t row)
{
    size_t place = 0;
    unsigned chunk = chunk_of(row, &place);
    entry *entries = atomic_load_explicit(&m->chunks[chunk], memory_order_acquire);
    return entries != NULL ? &entries[place] : NULL;
}

static table *table_new(size_t slots)
{
    table *t = mem_array(1, sizeof *t + slots * sizeof t->slots[0]);
    if (t != NULL) {
        t->mask = slots - 1;
    }
    return t;
}

err_code idmap_new(idmap **out, err *e)
{
    *out = NULL;
    idmap *m = mem_array(1, sizeof *m);
    table *t = m != NULL ? table_new(SLOTS_FIRST) : NULL;
    if (t == NULL) {
        mem_free(m);
        return err_nomem(e, "a table of ids");
    }
    atomic_init(&m->table, t);
    *out = m;
    return ERR_OK;
}

void idmap_free(idmap *m)
{
    if (m == NULL) {
        return;
    }
    for (table *t = atomic_load(&m->table), *older; t != NULL; t = older) {
        older = t->older;
        mem_free(t);
    }
    for (unsigned c = 0; c < CHUNKS; c++) {
        mem_free(atomic_load(&m->chunks[c]));
    }
    for (block *b = m->blocks, *older; b != NULL; b = older) {
        older = b->older;
        mem_free(b);
    }
    mem_free(m);
}

/* place_slot stores a row in a table that has room. */
static void place_slot(table *t, uint32_t hash, uint32_t row)
{
    size_t i = hash & t->mask;
    while (atomic_load_explicit(&t->slots[i], memory_order_relaxed) != 0) {
        i = (i + 1) & t->mask;
    }
    atomic_store_explicit(&t->slots[i], row + 1, memory_order_release);
}

static err_code make_room(idmap *m, err *e)
{
    table *old = atomic_load_explicit(&m->table, memory_order_relaxed);
    if ((m->filled + 1) * 5 <= (old->mask + 1) * 3) {
        return ERR_OK;
    }
    table *grown = table_new((old->mask + 1) * 2);
    if (grown == NULL) {
        return err_nomem(e, "a larger table of ids");
    }
    m->filled = 0;
    for (uint32_t row = 0; row < m->rows; row++) {
        const entry *in = entry_of(m, row);
        if (in != NULL && in->at != NULL) {
            place_slot(grown, in->hash, row);
            m->filled++;
        }
    }
    grown->older = old;
    atomic_store_explicit(&m->table, grown, memory_order_release);
    return ERR_OK;
}

static err_code copy_text(const char **out, idmap *m, slice id, err *e)
{
    block *b = m->blocks;
    if (b == NULL || b->room - b->used < id.length) {
        size_t room = id.length > BLOCK_BYTES / 4 ? id.length : BLOCK_BYTES;
        b = mem_array(1, sizeof *b + room);
        if (b == NULL) {
            return err_nomem(e, "the text of ids");
        }
        b->room = room;
        b->older = m->blocks;
        m->blocks = b;
    }
    char *at = b->bytes + b->used;
    if (id.length > 0) {
        memcpy(at, id.at, id.length);
    }
    b->used += id.length;
    *out = at;
    return ERR_OK;
}

err_code idmap_put(idmap *m, uint32_t row, slice id, err *e)
{
    assert(row >= m->rows && row != ROW_NONE && id.length <= UINT32_MAX);
    size_t place = 0;
    unsigned chunk = chunk_of(row, &place);
    if (atomic_load_explicit(&m->chunks[chunk], memory_order_relaxed) == NULL) {
        entry *entries = mem_array((size_t)1 << (CHUNK_FIRST_BITS + chunk), sizeof *entries);
        if (entries == NULL) {
            return err_nomem(e, "the rows of ids");
        }
        atomic_store_explicit(&m->chunks[chunk], entries, memory_order_release);
    }
    err_code code = make_room(m, e);
    const char *at = NULL;
    if (code == ERR_OK) {
        code = copy_text(&at, m, id, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    *entry_of(m, row) = (entry){at, (uint32_t)id.length, hash_of(id)};
    place_slot(atomic_load_explicit(&m->table, memory_order_relaxed), hash_of(id), row);
    m->filled++;
    m->rows = (size_t)row + 1;
    return ERR_OK;
}

size_t idmap_rows(const idmap *m)
{
    return m->rows;
}

void idmap_truncate(idmap *m, size_t rows)
{
    table *t = atomic_load_explicit(&m->table, memory_order_relaxed);
    while (m->rows > rows) {
        uint32_t row = (uint32_t)--m->rows;
        entry *gone = entry_of(m, row);
        if (gone == NULL || gone->at == NULL) {
            continue;
        }
        size_t i = gone->hash & t->mask;
        while (atomic_load_explicit(&t->slots[i], memory_order_relaxed) != row + 1) {
            i = (i + 1) & t->mask;
        }
        atomic_store_explicit(&t->slots[i], SLOT_GONE, memory_order_release);
        *gone = (entry){NULL, 0, 0};
    }
}

err_code idmap_intern(uint32_t *out, idmap *m, slice text, err *e)
{
    *out = idmap_find(m, text, ROW_NONE);
    if (*out != ROW_NONE) {
        return ERR_OK;
    }
    uint32_t row = (uint32_t)m->rows;
    err_code code = idmap_put(m, row, text, e);
    if (code == ERR_OK) {
        *out = row;
    }
    return code;
}

uint32_t idmap_find(const idmap *m, slice id, size_t limit)
{
    const table *t = atomic_load_explicit(&m->table, memory_order_acquire);
    uint32_t hash = hash_of(id), best = ROW_NONE;
    for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        uint32_t slot = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (slot == 0) {
            return best;
        }
        uint32_t row = slot - 1;
        if (slot == SLOT_GONE || row >= limit || (best != ROW_NONE && row < best)) {
            continue;
        }
        const entry *in = entry_of(m, row);
        if (in->hash == hash && slice_equal((slice){in->at, in->length}, id)) {
            best = row;
        }
    }
}

slice idmap_id(const idmap *m, uint32_t row)
{
    const entry *in = entry_of(m, row);
    return in != NULL ? (slice){in->at, in->length} : (slice){NULL, 0};
}
