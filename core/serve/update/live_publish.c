/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_publish: builds the next view, and publishes or discards it.
 *
 * The order within a publication matters. First, memory for the list of retired pieces is reserved,
 * because nothing may fail after the pointer is exchanged. Then the pointer is exchanged. Then
 * everything that only the old view reached is retired under the current epoch, and the epoch ends.
 */
#include "core/common/mem.h"
#include "core/serve/update/live_tables.h"

err_code live_begin(live *l, err *e)
{
    if (l->next != NULL) {
        return ERR_OK;
    }
    l->next = mem_copy(atomic_load(&l->current), sizeof *l->next);
    if (l->next == NULL) {
        return err_nomem(e, "a new view");
    }
    pvec_txn_begin(&l->txn, ++l->stamp);
    return ERR_OK;
}

err_code live_publish(live *l, err *e)
{
    err_code code = epoch_reserve(l->ep, l->txn.replaced_count + 1, e);
    if (code != ERR_OK) {
        live_undo(l);
        return code;
    }
    view *old = atomic_exchange(&l->current, l->next);
    l->next = NULL;
    for (size_t i = 0; i < l->txn.replaced_count; i++) {
        epoch_retire(l->ep, l->txn.replaced[i]);
    }
    epoch_retire(l->ep, (pvec_piece){old, mem_free});
    epoch_advance(l->ep);
    (void)epoch_reclaim(l->ep);
    return ERR_OK;
}

void live_undo(live *l)
{
    const view *current = atomic_load(&l->current);
    pvec_txn_undo(&l->txn);
    mem_free(l->next);
    l->next = NULL;
    l->moved_count = 0;
    idmap_truncate(l->item_ids, current->item_rows);
    idmap_truncate(l->user_ids, current->user_rows);
    if (current->delta != NULL) {
        current->delta->count = current->delta_count;
    }
}

err_code live_bit(live *l, pvec *bitmap, size_t row, bool on, bool *was, err *e)
{
    bool old = view_bit(bitmap, row);
    if (was != NULL) {
        *was = old;
    }
    if (old == on) {
        return ERR_OK;
    }
    void *place = NULL;
    err_code code = pvec_edit(&place, bitmap, &l->txn, row / 64, e);
    if (code == ERR_OK) {
        *(uint64_t *)place ^= 1ULL << (row % 64);
    }
    return code;
}
