/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/models/links_store.h"

#include <stdio.h>

#include "storage/models/blob_load.h"
#include "storage/models/generations.h"

enum { PARTS = 4, NAME_BYTES = 32 };

/* One of a table's arrays. Writing and reading use the same list. */
typedef struct part {
    char name[NAME_BYTES];
    void *at;
    size_t bytes;
} part;

static void parts_of(const links_table *t, size_t x, size_t items, size_t count, part out[PARTS])
{
    const struct {
        const char *name;
        void *at;
        size_t bytes;
    } all[PARTS] = {
        {"start", t->start, (items + 1) * sizeof *t->start},
        {"unit", t->unit, items * sizeof *t->unit},
        {"target", t->target, count * sizeof *t->target},
        {"level", t->level, count * sizeof *t->level},
    };
    for (size_t i = 0; i < PARTS; i++) {
        out[i].at = all[i].at;
        out[i].bytes = all[i].bytes;
        snprintf(out[i].name, sizeof out[i].name, "links%zu.%s", x, all[i].name);
    }
}

err_code links_put(store *s, const generation_id *generation, const item_links *l, err *e)
{
    err_code code = ERR_OK;
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        part parts[PARTS];
        parts_of(&l->source[x], x, l->items, (size_t)l->source[x].start[l->items], parts);
        for (size_t i = 0; i < PARTS && code == ERR_OK; i++) {
            code = generation_put(s, generation, parts[i].name, parts[i].at, parts[i].bytes, 0, e);
        }
    }
    return code;
}

/* link_count computes how many links a table has from the size of its targets. */
static err_code link_count(store *s, uint32_t generation, size_t x, size_t *count, err *e)
{
    char name[NAME_BYTES];
    size_t bytes = 0;
    snprintf(name, sizeof name, "links%zu.target", x);
    err_code code = blob_size(s, generation, name, &bytes, e);
    *count = bytes / sizeof(uint32_t);
    return code;
}

static err_code get_table(store *s, uint32_t generation, item_links *l, size_t x, err *e)
{
    size_t count = 0, bytes = 0;
    part parts[PARTS];
    err_code code = link_count(s, generation, x, &count, e);
    if (code == ERR_OK) {
        code = links_table_alloc(&l->source[x], l->items, count, e);
    }
    if (code == ERR_OK) {
        parts_of(&l->source[x], x, l->items, count, parts);
    }
    for (size_t i = 0; i < PARTS && code == ERR_OK; i++) {
        code = blob_size(s, generation, parts[i].name, &bytes, e);
        if (code == ERR_OK && bytes != parts[i].bytes) {
            code = err_set(e, ERR_CORRUPT, "generation %u: %s has %zu bytes, expected %zu",
                           generation, parts[i].name, bytes, parts[i].bytes);
        }
        if (code == ERR_OK) {
            code = blob_load(s, generation, parts[i].name, 0, parts[i].at, bytes, e);
        }
    }
    if (code == ERR_OK && l->source[x].start[l->items] != count) {
        code = err_set(e, ERR_CORRUPT, "generation %u: %llu links, expected %zu", generation,
                       (unsigned long long)l->source[x].start[l->items], count);
    }
    return code;
}

err_code links_get(store *s, uint32_t generation, item_links *l, err *e)
{
    err_code code = ERR_OK;
    for (size_t x = 0; x < LINKS_SOURCES && code == ERR_OK; x++) {
        code = get_table(s, generation, l, x, e);
    }
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_CORRUPT, "generation %u: its links are missing", generation);
    }
    store_forget_pages(s);
    return code == ERR_OK ? links_check(l, e) : code;
}
