/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/state/later_links.h"

#include "core/common/mem.h"

err_code later_list_new(later_list **out, uint32_t self, const links_entry *entries, size_t count,
                        err *e)
{
    later_list *list = mem_array(1, sizeof *list + count * sizeof *entries);
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

err_code later_index_init(later_index *x, size_t items, err *e)
{
    *x = (later_index){.items = items};
    x->first = mem_array(items, sizeof *x->first);
    x->chunks = mem_array(LATER_CHUNKS_MAX, sizeof *x->chunks);
    if (x->first == NULL || x->chunks == NULL) {
        later_index_fini(x);
        return err_nomem(e, "the links of new items");
    }
    return ERR_OK;
}

void later_index_fini(later_index *x)
{
    for (size_t i = 0; x->chunks != NULL && i < LATER_CHUNKS_MAX && x->chunks[i] != NULL; i++) {
        mem_free(x->chunks[i]);
    }
    mem_free(x->chunks);
    mem_free(x->first);
    *x = (later_index){0};
}

err_code later_index_add(later_index *x, uint32_t item, const later_list *list, err *e)
{
    for (size_t i = 0; i < list->count; i++) {
        links_entry in = list->entries[i];
        if (in.target >= x->items) {
            continue;
        }
        if (x->count == UINT32_MAX || x->count / LATER_CHUNK >= LATER_CHUNKS_MAX) {
            return err_set(
                e, ERR_TOO_LARGE,
                "%u links of new items, as many as allowed; wait for the background convolution",
                x->count);
        }
        later_entry **chunk = &x->chunks[x->count / LATER_CHUNK];
        if (*chunk == NULL) {
            *chunk = mem_array(LATER_CHUNK, sizeof **chunk);
        }
        if (*chunk == NULL) {
            return err_nomem(e, "the links of new items");
        }
        uint32_t next = atomic_load_explicit(&x->first[in.target], memory_order_relaxed);
        (*chunk)[x->count % LATER_CHUNK] = (later_entry){item, list->serial, next, in.weight};
        x->count++;
        atomic_store_explicit(&x->first[in.target], x->count, memory_order_release);
    }
    return ERR_OK;
}

static const later_entry *entry_at(const later_index *x, uint32_t place)
{
    return place > 0 ? &x->chunks[(place - 1) / LATER_CHUNK][(place - 1) % LATER_CHUNK] : NULL;
}

const later_entry *later_index_first(const later_index *x, uint32_t owned)
{
    return owned < x->items
               ? entry_at(x, atomic_load_explicit(&x->first[owned], memory_order_acquire))
               : NULL;
}

const later_entry *later_index_next(const later_index *x, const later_entry *entry)
{
    return entry_at(x, entry->next);
}
