/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_links: keeps the link lists of later items, from their write to the next background run.
 *
 * A view finds a list by its item, and the delta's index finds it by the items that it contains. A
 * background run moves all lists of its view into the links of the new base. Lists that came
 * meanwhile are entered into the new delta.
 */
#include "core/serve/update/live_tables.h"

/* set_list makes `list` (or none, NULL) the item's list. The transaction owns the list already. */
static err_code set_list(live *l, uint32_t row, later_list *list, err *e)
{
    later_list *old = (later_list *)view_later_list(l->next, row);
    if (old == list) {
        return ERR_OK;
    }
    void *place = NULL;
    err_code code = old != NULL ? pvec_txn_replaced(&l->txn, old, later_list_release, e) : ERR_OK;
    if (code == ERR_OK) {
        code = pvec_edit(&place, &l->next->later, &l->txn, row, e);
    }
    if (code == ERR_OK) {
        *(later_list **)place = list;
    }
    return code;
}

/* own_list makes *out the list of a row: the prepared one itself, or a copy of it if a view may
 * show it already or if it contains a link to the row. */
static err_code own_list(later_list **out, uint32_t row, later_list *prepared, err *e)
{
    if (prepared->serial == 0 && later_list_weight(prepared, row) == 0) {
        *out = later_list_hold(prepared);
        return ERR_OK;
    }
    return later_list_new(out, row, prepared->entries, prepared->count, e);
}

err_code live_set_list(live *l, uint32_t row, later_list *prepared, err *e)
{
    if (prepared == NULL || prepared->count == 0) {
        return set_list(l, row, NULL, e);
    }
    later_list *list = NULL;
    err_code code = own_list(&list, row, prepared, e);
    if (code != ERR_OK) {
        return code;
    }
    code = pvec_txn_made(&l->txn, list, later_list_release, e);
    if (code != ERR_OK) {
        later_list_release(list);
        return code;
    }
    list->serial = l->next->later_serial = ++l->later_serial;
    code = set_list(l, row, list, e);
    return code == ERR_OK ? later_index_add(&l->next->delta->later, row, list, e) : code;
}

err_code live_carry_lists(live *l, err *e)
{
    const view *v = l->next;
    err_code code = ERR_OK;
    size_t leaf_rows = (size_t)1 << v->later.leaf_bits;
    for (size_t first = 0; first < v->item_rows && code == ERR_OK; first += leaf_rows) {
        const later_list *const *leaf = pvec_leaf(&v->later, first / leaf_rows);
        for (size_t i = 0; leaf != NULL && i < leaf_rows && code == ERR_OK; i++) {
            uint32_t row = (uint32_t)(first + i);
            if (leaf[i] != NULL && !base_linked(v->base, row)) {
                code = later_index_add(&v->delta->later, row, leaf[i], e);
            }
        }
    }
    return code;
}

err_code live_clear_lists(live *l, err *e)
{
    view *v = l->next;
    err_code code = ERR_OK;
    size_t leaf_rows = (size_t)1 << v->later.leaf_bits;
    for (size_t first = 0; first < v->item_rows && code == ERR_OK; first += leaf_rows) {
        later_list *const *leaf = pvec_leaf(&v->later, first / leaf_rows);
        for (size_t i = 0; leaf != NULL && i < leaf_rows && code == ERR_OK; i++) {
            code = leaf[i] != NULL ? pvec_txn_replaced(&l->txn, leaf[i], later_list_release, e)
                                   : ERR_OK;
        }
    }
    if (code == ERR_OK) {
        code = pvec_txn_replaced_all(&l->txn, &v->later, e);
    }
    v->later.root = NULL;
    v->later.height = 0;
    return code;
}
