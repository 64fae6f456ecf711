/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/state/later_links.h"

#include <stdbool.h>

#include "core/common/mem.h"

later_list *later_list_alloc(size_t count)
{
    later_list *list = mem_grow(NULL, 1, sizeof *list + count * sizeof list->entries[0]);
    if (list != NULL) {
        atomic_init(&list->holders, 1);
        list->serial = list->count = 0;
    }
    return list;
}

later_list *later_list_hold(later_list *list)
{
    atomic_fetch_add_explicit(&list->holders, 1, memory_order_relaxed);
    return list;
}

void later_list_release(void *list)
{
    later_list *held = list;
    if (held != NULL && atomic_fetch_sub_explicit(&held->holders, 1, memory_order_acq_rel) == 1) {
        mem_free(held);
    }
}

float later_list_weight(const later_list *list, uint32_t target)
{
    size_t low = 0, high = list != NULL ? list->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->entries[middle].target < target) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = list != NULL && low < list->count && list->entries[low].target == target;
    return found ? list->entries[low].weight : 0;
}

err_code later_list_new(later_list **out, uint32_t self, const links_entry *entries, size_t count,
                        err *e)
{
    later_list *list = later_list_alloc(count);
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

/* make_room makes the chunk of the next entry if it is the first of one. */
static err_code make_room(later_index *x, err *e)
{
    bool small = x->count < LATER_LARGE;
    size_t entries = small ? LATER_SMALL : LATER_LARGE;
    if (x->count % entries != 0) {
        return ERR_OK;
    }
    size_t chunk =
        small ? x->count / LATER_SMALL : x->count / LATER_LARGE + LATER_LARGE / LATER_SMALL - 1;
    if (chunk >= LATER_CHUNKS_MAX - 1) {
        return err_set(
            e, ERR_TOO_LARGE,
            "%u links of new items, as many as allowed; wait for the background convolution",
            x->count);
    }
    x->chunks[chunk] = small ? mem_array(entries, sizeof **x->chunks)
                             : mem_table_unset(entries, sizeof **x->chunks);
    return x->chunks[chunk] != NULL ? ERR_OK : err_nomem(e, "the links of new items");
}

err_code later_index_add(later_index *x, uint32_t item, const later_list *list, err *e)
{
    for (size_t i = 0; i < list->count; i++) {
        links_entry in = list->entries[i];
        if (in.target >= x->items) {
            continue;
        }
        err_code code = make_room(x, e);
        if (code != ERR_OK) {
            return code;
        }
        uint32_t next = atomic_load_explicit(&x->first[in.target], memory_order_relaxed);
        *later_place(x, x->count) = (later_entry){item, list->serial, next, in.weight};
        x->count++;
        atomic_store_explicit(&x->first[in.target], x->count, memory_order_release);
    }
    return ERR_OK;
}
