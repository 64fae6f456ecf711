/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_links: keeps the link lists of later items, from their write to the next background run.
 *
 * A view finds a list by its item, and the delta's index finds it by the items that it names. A
 * background run takes all lists of its view into the links of the new base. Lists that came
 * meanwhile are entered into the new delta.
 */
#include "core/common/mem.h"
#include "core/serve/update/live_tables.h"

/* set_list makes `list` (NULL: none) that of the item. The list is the transaction's already. */
static err_code set_list(live *l, uint32_t row, later_list *list, err *e)
{
    later_list *old = (later_list *)view_later_list(l->next, row);
    if (old == list) {
        return ERR_OK;
    }
    void *place = NULL;
    err_code rc = old != NULL ? pvec_txn_replaced(&l->txn, old, mem_free, e) : ERR_OK;
    if (rc == ERR_OK) {
        rc = pvec_edit(&place, &l->next->later, &l->txn, row, e);
    }
    if (rc == ERR_OK) {
        *(later_list **)place = list;
    }
    return rc;
}

err_code live_set_list(live *l, uint32_t row, const links_entry *entries, size_t count, err *e)
{
    if (count == 0) {
        return set_list(l, row, NULL, e);
    }
    later_list *list = NULL;
    err_code rc = later_list_new(&list, row, entries, count, e);
    if (rc != ERR_OK) {
        return rc;
    }
    rc = pvec_txn_made(&l->txn, list, mem_free, e);
    if (rc != ERR_OK) {
        mem_free(list);
        return rc;
    }
    list->serial = l->next->later_serial = ++l->later_serial;
    rc = set_list(l, row, list, e);
    return rc == ERR_OK ? later_index_add(&l->next->delta->later, row, list, e) : rc;
}

err_code live_carry_lists(live *l, err *e)
{
    const view *v = l->next;
    err_code rc = ERR_OK;
    size_t leaf_rows = (size_t)1 << v->later.leaf_bits;
    for (size_t first = 0; first < v->item_rows && rc == ERR_OK; first += leaf_rows) {
        const later_list *const *leaf = pvec_leaf(&v->later, first / leaf_rows);
        for (size_t i = 0; leaf != NULL && i < leaf_rows && rc == ERR_OK; i++) {
            uint32_t row = (uint32_t)(first + i);
            if (leaf[i] != NULL && !base_linked(v->base, row)) {
                rc = later_index_add(&v->delta->later, row, leaf[i], e);
            }
        }
    }
    return rc;
}

err_code live_clear_lists(live *l, err *e)
{
    view *v = l->next;
    err_code rc = ERR_OK;
    size_t leaf_rows = (size_t)1 << v->later.leaf_bits;
    for (size_t first = 0; first < v->item_rows && rc == ERR_OK; first += leaf_rows) {
        later_list *const *leaf = pvec_leaf(&v->later, first / leaf_rows);
        for (size_t i = 0; leaf != NULL && i < leaf_rows && rc == ERR_OK; i++) {
            rc = leaf[i] != NULL ? pvec_txn_replaced(&l->txn, leaf[i], mem_free, e) : ERR_OK;
        }
    }
    rc = rc == ERR_OK ? pvec_txn_replaced_all(&l->txn, &v->later, e) : rc;
    v->later.root = NULL;
    v->later.height = 0;
    return rc;
}
