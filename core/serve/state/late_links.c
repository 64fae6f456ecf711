/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/state/late_links.h"

#include "core/common/mem.h"

err_code late_list_new(late_list **out, uint32_t self, const links_entry *entries, size_t count,
                       err *e)
{
    late_list *list = mem_array(1, sizeof *list + count * sizeof *entries);
    *out = list;
    if (list == NULL) {
        return err_nomem(e, "the links of a new item");
    }
    for (size_t i = 0; i < count; i++) {
        if (entries[i].target != self) {
            list->entries[list->count++] = entries[i];
        }
    }
    return ERR_OK;
}

err_code late_index_init(late_index *x, size_t items, err *e)
{
    *x = (late_index){.items = items};
    x->first = mem_array(items, sizeof *x->first);
    x->chunks = mem_array(LATE_CHUNKS_MAX, sizeof *x->chunks);
    if (x->first == NULL || x->chunks == NULL) {
        late_index_fini(x);
        return err_nomem(e, "the links of new items");
    }
    return ERR_OK;
}

void late_index_fini(late_index *x)
{
    for (size_t i = 0; x->chunks != NULL && i < LATE_CHUNKS_MAX && x->chunks[i] != NULL; i++) {
        mem_free(x->chunks[i]);
    }
    mem_free(x->chunks);
    mem_free(x->first);
    *x = (late_index){0};
}

err_code late_index_add(late_index *x, uint32_t item, const late_list *list, err *e)
{
    for (size_t i = 0; i < list->count; i++) {
        links_entry in = list->entries[i];
        if (in.target >= x->items) {
            continue;
        }
        if (x->count == UINT32_MAX || x->count / LATE_CHUNK >= LATE_CHUNKS_MAX) {
            return err_set(e, ERR_TOO_LARGE, "%u links of new items; wait for the background run",
                           x->count);
        }
        late_entry **chunk = &x->chunks[x->count / LATE_CHUNK];
        if (*chunk == NULL) {
            *chunk = mem_array(LATE_CHUNK, sizeof **chunk);
        }
        if (*chunk == NULL) {
            return err_nomem(e, "the links of new items");
        }
        uint32_t next = atomic_load_explicit(&x->first[in.target], memory_order_relaxed);
        (*chunk)[x->count % LATE_CHUNK] = (late_entry){item, list->serial, next, in.weight};
        x->count++;
        atomic_store_explicit(&x->first[in.target], x->count, memory_order_release);
    }
    return ERR_OK;
}

static const late_entry *entry_at(const late_index *x, uint32_t place)
{
    return place > 0 ? &x->chunks[(place - 1) / LATE_CHUNK][(place - 1) % LATE_CHUNK] : NULL;
}

const late_entry *late_index_first(const late_index *x, uint32_t owned)
{
    return owned < x->items
               ? entry_at(x, atomic_load_explicit(&x->first[owned], memory_order_acquire))
               : NULL;
}

const late_entry *late_index_next(const late_index *x, const late_entry *entry)
{
    return entry_at(x, entry->next);
}
