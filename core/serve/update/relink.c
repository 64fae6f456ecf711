/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/update/relink.h"

#include <stdlib.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/model/links_build.h"
#include "core/serve/state/view_tables.h"

/* The later items' links by the item they start from, like a links_table but not packed. */
typedef struct incoming {
    size_t *start;        /* (items + 1) */
    links_entry *entries; /* (start[items]) each row ascends by target */
    size_t most;          /* most entries in one row */
} incoming;

/* each_link calls `found` for both directions of every link of a later item. */
typedef void (*link_found)(incoming *in, uint32_t owned, links_entry entry);

static void each_link(const view *v, size_t items, incoming *in, link_found found)
{
    for (uint32_t row = 0; row < items; row++) {
        const later_list *list = view_later_list(v, row);
        for (size_t i = 0; list != NULL && i < list->count; i++) {
            if (list->entries[i].target < items) {
                found(in, list->entries[i].target, (links_entry){row, list->entries[i].weight});
                found(in, row, list->entries[i]);
            }
        }
    }
}

static void count_link(incoming *in, uint32_t owned, links_entry entry)
{
    (void)entry;
    in->start[owned + 1]++;
}

static void fill_link(incoming *in, uint32_t owned, links_entry entry)
{
    in->entries[in->start[owned]++] = entry;
}

static int by_target(const void *x, const void *y)
{
    const links_entry *a = x, *b = y;
    return (a->target > b->target) - (a->target < b->target);
}

static err_code gather(incoming *in, const view *v, size_t items, err *e)
{
    in->start = mem_array(items + 1, sizeof *in->start);
    if (in->start == NULL) {
        return err_nomem(e, "the links of new items");
    }
    each_link(v, items, in, count_link);
    for (size_t i = 0; i < items; i++) {
        in->most = in->start[i + 1] > in->most ? in->start[i + 1] : in->most;
        in->start[i + 1] += in->start[i];
    }
    in->entries = mem_array(in->start[items], sizeof *in->entries);
    if (in->entries == NULL) {
        return err_nomem(e, "the links of new items");
    }
    each_link(v, items, in, fill_link);
    /* filling has moved every start */
    memmove(in->start + 1, in->start, items * sizeof *in->start);
    in->start[0] = 0;
    for (size_t i = 0; i < items; i++) {
        sort_array(in->entries + in->start[i], in->start[i + 1] - in->start[i], sizeof *in->entries,
                   by_target);
    }
    return ERR_OK;
}

/* merge writes a generation's row and a row of later links, ascending by target. Of two links to
 * one target, the later item's counts. Returns the number of links. */
static size_t merge(const links_table *t, size_t row, size_t rows, const incoming *in,
                    links_entry *out)
{
    uint64_t old = row < rows ? t->start[row] : 0, old_end = row < rows ? t->start[row + 1] : 0;
    size_t new = in->start[row], new_end = in->start[row + 1], count = 0;
    while ((old < old_end || new < new_end) && count < LINKS_ROW_MAX) {
        bool first = new == new_end || (old < old_end && t->target[old] < in->entries[new].target);
        links_entry entry = first
                                ? (links_entry){t->target[old], t->unit[row] * (float)t->level[old]}
                                : in->entries[new];
        old += first;
        new += !first;
        if (count == 0 || out[count - 1].target != entry.target) {
            out[count++] = entry;
        }
    }
    return count;
}

static err_code link_content(item_links *out, const item_links *trained, const view *v, err *e)
{
    const links_table *old = &trained->source[LINKS_CONTENT];
    incoming in = {0};
    err_code code = gather(&in, v, out->items, e);
    links_entry *row = NULL;
    if (code == ERR_OK) {
        row = mem_array(LINKS_ROW_MAX, sizeof *row);
        code = row == NULL ? err_nomem(e, "the links of new items") : code;
    }
    if (code == ERR_OK) {
        links_table_fini(&out->source[LINKS_CONTENT]);
        code = links_table_alloc(&out->source[LINKS_CONTENT], out->items,
                                 old->start[trained->items] + in.start[out->items], e);
    }
    for (size_t i = 0; code == ERR_OK && i < out->items; i++) {
        size_t count = merge(old, i, trained->items, &in, row);
        links_table_put(&out->source[LINKS_CONTENT], i, row, count);
    }
    mem_free(in.start);
    mem_free(in.entries);
    mem_free(row);
    return code;
}

/* mark records the later items whose lists are now included in the links. */
static err_code mark(base *b, const view *v, err *e)
{
    b->linked = mem_array(b->items / 64 + 1, sizeof *b->linked);
    if (b->linked == NULL) {
        return err_nomem(e, "the links of new items");
    }
    for (uint32_t row = 0; row < b->items; row++) {
        if (view_later_list(v, row) != NULL) {
            bits_set(b->linked, row);
        }
    }
    return ERR_OK;
}

static err_code link_collaborative(item_links *out, const item_links *trained,
                                   const interaction_list *graph, int threads, err *e)
{
    if (!(trained->choice.beta[LINKS_COLLABORATIVE] > 0)) {
        return ERR_OK;
    }
    links_table *table = &out->source[LINKS_COLLABORATIVE];
    links_table_fini(table);
    return links_collaborative(table, graph, &out->choice, threads, e);
}

err_code relink(base *b, const view *v, const interaction_list *graph, int threads, err *e)
{
    const item_links *trained = b->shared->model->links;
    if (trained == NULL) {
        return ERR_OK;
    }
    item_links *made = NULL;
    err_code code = links_new(&made, b->items, e);
    if (code != ERR_OK) {
        return code;
    }
    b->own_links = made;
    b->links = made;
    made->choice = trained->choice;
    code = link_collaborative(made, trained, graph, threads, e);
    if (code == ERR_OK && made->choice.beta[LINKS_CONTENT] > 0) {
        code = link_content(made, trained, v, e);
        if (code == ERR_OK) {
            code = mark(b, v, e);
        }
    }
    return code;
}
