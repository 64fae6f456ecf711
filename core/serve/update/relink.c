/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/update/relink.h"

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/model/links_build.h"
#include "core/model/links_merge.h"
#include "core/serve/state/view_tables.h"

/* lists_of returns the links of the view's later items as lists; the caller frees *out. */
static err_code lists_of(links_list **out, size_t *count, const view *v, size_t items, err *e)
{
    size_t room = 0;
    *count = 0;
    for (uint32_t row = 0; row < items; row++) {
        room += view_later_list(v, row) != NULL;
    }
    links_list *lists = *out = mem_array(room, sizeof *lists);
    if (lists == NULL) {
        return err_nomem(e, "the links of new items");
    }
    for (uint32_t row = 0; row < items && *count < room; row++) {
        const later_list *list = view_later_list(v, row);
        if (list != NULL) {
            lists[(*count)++] = (links_list){row, list->entries, list->count};
        }
    }
    return ERR_OK;
}

static err_code link_content(item_links *out, const item_links *trained, const view *v, err *e)
{
    links_list *lists = NULL;
    links_merging in = {
        .table = &trained->source[LINKS_CONTENT], .table_rows = trained->items, .rows = out->items};
    err_code code = lists_of(&lists, &in.count, v, out->items, e);
    if (code == ERR_OK) {
        in.lists = lists;
        links_table_fini(&out->source[LINKS_CONTENT]);
        code = links_merge(&out->source[LINKS_CONTENT], &in, e);
    }
    mem_free(lists);
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
