/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_edges: applies changes of users and their interactions.
 *
 * Degrees and popularity change by the difference that a change makes to its pair's weight, so they
 * always equal a count over all lists. Interactions with deleted items change only the lists.
 */
#include <assert.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/serve/update/live_tables.h"

static err_code add_number(live *l, pvec *numbers, uint32_t row, int difference, err *e)
{
    void *place = NULL;
    err_code code = pvec_edit(&place, numbers, &l->txn, row, e);
    if (code == ERR_OK) {
        *(uint32_t *)place += (uint32_t)difference;
    }
    return code;
}

/* reweigh changes an item's degree and popularity from one weight of a pair to another. */
static err_code reweigh(live *l, uint32_t item, float before, float after, err *e)
{
    if (before == after) {
        return ERR_OK;
    }
    void *place = NULL;
    err_code code = pvec_edit(&place, &l->next->degree, &l->txn, item, e);
    if (code != ERR_OK) {
        return code;
    }
    double *degree = place;
    *degree += (double)after - (double)before;
    l->next->changes++;
    int difference = (after > 0) - (before > 0);
    if (difference == 0) {
        return ERR_OK;
    }
    code = add_number(l, &l->next->edge_users, item, difference, e);
    return code == ERR_OK ? live_moved(l, item, e) : code;
}

static bool item_exists(const live *l, uint32_t item)
{
    return item < l->next->item_rows && view_bit(&l->next->exists, item);
}

err_code live_put_user(live *l, uint32_t row, slice id, err *e)
{
    view *v = l->next;
    if (row < idmap_rows(l->user_ids) || row == ROW_NONE) {
        return err_set(e, ERR_INTERNAL, "user row %u is already in use", row);
    }
    err_code code = idmap_put(l->user_ids, row, id, e);
    if (code == ERR_OK) {
        v->user_rows = (size_t)row + 1;
        v->users++;
        code = live_bit(l, &v->user_exists, row, true, NULL, e);
    }
    return code;
}

static err_code list_new(user_list **out, live *l, uint32_t room, err *e)
{
    user_list *list = mem_array(1, sizeof *list + room * sizeof list->edges[0]);
    if (list == NULL) {
        return err_nomem(e, "a user's interactions");
    }
    err_code code = pvec_txn_made(&l->txn, list, mem_free, e);
    if (code != ERR_OK) {
        mem_free(list);
        return code;
    }
    list->stamp = l->txn.stamp;
    list->room = room;
    *out = list;
    return ERR_OK;
}

/* own_list returns the user's list in a writable state, with room for one more edge. */
static err_code own_list(user_list **out, live *l, uint32_t user, err *e)
{
    void *place = NULL;
    err_code code = pvec_edit(&place, &l->next->lists, &l->txn, user, e);
    if (code != ERR_OK) {
        return code;
    }
    user_list **at = place, *old = *at;
    bool ours = old != NULL && old->stamp == l->txn.stamp;
    if (ours && old->count < old->room) {
        *out = old;
        return ERR_OK;
    }
    uint32_t count = old != NULL ? old->count : 0;
    user_list *list = NULL;
    /* Expect more edges after a second one in the same op: grow geometrically. */
    code = list_new(&list, l, ours ? count * 2 + 2 : count + 1, e);
    if (code == ERR_OK && old != NULL) {
        memcpy(list->edges, old->edges, count * sizeof list->edges[0]);
        list->count = count;
        code = pvec_txn_replaced(&l->txn, old, mem_free, e);
    }
    if (code == ERR_OK) {
        *at = list;
        *out = list;
    }
    return code;
}

/* find_edge returns the index of (item, type) in the list, or where it belongs. */
static uint32_t find_edge(const user_list *list, uint32_t item, uint8_t type)
{
    uint32_t low = 0, high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const live_edge *in = &list->edges[middle];
        if (in->item < item || (in->item == item && in->type < type)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static float weight_of(const user_list *list, uint32_t item)
{
    uint32_t first = find_edge(list, item, 0);
    bool seen = false;
    size_t records = 0;
    if (first == list->count || list->edges[first].item != item) {
        return 0;
    }
    return pair_weight(&list->edges[first], list->count - first, &seen, &records);
}

err_code live_put_edge(live *l, const change_edge *edge, err *e)
{
    user_list *list = NULL;
    if (edge->user >= l->next->user_rows) {
        return err_set(e, ERR_INTERNAL, "an edge of user row %u, but there are only %zu rows",
                       edge->user, l->next->user_rows);
    }
    err_code code = own_list(&list, l, edge->user, e);
    if (code != ERR_OK) {
        return code;
    }
    float before = weight_of(list, edge->item);
    uint32_t at = find_edge(list, edge->item, edge->type);
    bool there = at < list->count && list->edges[at].item == edge->item &&
                 list->edges[at].type == edge->type;
    if (!there) {
        memmove(&list->edges[at + 1], &list->edges[at], (list->count - at) * sizeof list->edges[0]);
        list->count++;
    }
    list->edges[at] = (live_edge){.item = edge->item,
                                  .weight = edge->weight,
                                  .time = live_edge_time(edge->time),
                                  .type = edge->type,
                                  .split = edge->split,
                                  .flags = edge->flags};
    if (!item_exists(l, edge->item)) {
        return ERR_OK;
    }
    if (!there) {
        l->next->interactions++;
        code = add_number(l, &l->next->records, edge->item, 1, e);
    }
    float after = weight_of(list, edge->item);
    if (code == ERR_OK) {
        code = reweigh(l, edge->item, before, after, e);
    }
    return code == ERR_OK ? live_touch(l, edge->user, edge->item, after - before, e) : code;
}

err_code live_drop_edge(live *l, const change_edge *edge, err *e)
{
    user_list *list = NULL;
    size_t count = 0;
    if (view_user_edges(l->next, edge->user, &count) == NULL) {
        return ERR_OK;
    }
    err_code code = own_list(&list, l, edge->user, e);
    if (code != ERR_OK) {
        return code;
    }
    uint32_t at = find_edge(list, edge->item, edge->type);
    if (at == list->count || list->edges[at].item != edge->item ||
        list->edges[at].type != edge->type) {
        return ERR_OK;
    }
    float before = weight_of(list, edge->item);
    list->count--;
    memmove(&list->edges[at], &list->edges[at + 1], (list->count - at) * sizeof list->edges[0]);
    if (!item_exists(l, edge->item)) {
        return ERR_OK;
    }
    l->next->interactions--;
    code = add_number(l, &l->next->records, edge->item, -1, e);
    return code == ERR_OK ? reweigh(l, edge->item, before, weight_of(list, edge->item), e) : code;
}

/* count_list adds (sign 1) or subtracts (-1) the contributions of a whole list to its items. */
static err_code count_list(live *l, const user_list *list, int sign, err *e)
{
    err_code code = ERR_OK;
    for (size_t i = 0, records = 0; i < list->count && code == ERR_OK; i += records) {
        bool seen = false;
        float weight = pair_weight(&list->edges[i], list->count - i, &seen, &records);
        uint32_t item = list->edges[i].item;
        if (!item_exists(l, item)) {
            continue;
        }
        l->next->interactions += (size_t)sign * records;
        if (item < l->tally_rows) {
            l->tally[item].degree += (double)weight;
            l->tally[item].records += (uint32_t)records;
            l->tally[item].edge_users += weight > 0;
            continue;
        }
        code = add_number(l, &l->next->records, item, sign * (int)records, e);
        if (code == ERR_OK) {
            code = sign > 0 ? reweigh(l, item, 0, weight, e) : reweigh(l, item, weight, 0, e);
        }
    }
    return code;
}

err_code live_tally_begin(live *l, err *e)
{
    if (l->tally_rows >= l->next->item_rows) {
        return ERR_OK;
    }
    item_tally *grown = mem_grow(l->tally, l->next->item_rows, sizeof *grown);
    if (grown == NULL) {
        return err_nomem(e, "the items' degrees");
    }
    memset(grown + l->tally_rows, 0, (l->next->item_rows - l->tally_rows) * sizeof *grown);
    l->tally = grown;
    l->tally_rows = l->next->item_rows;
    return ERR_OK;
}

err_code live_tally_end(live *l, err *e)
{
    err_code code = ERR_OK;
    for (size_t i = 0; i < l->tally_rows && code == ERR_OK; i++) {
        const item_tally *item = &l->tally[i];
        if (item->records == 0) {
            continue;
        }
        void *degree = NULL;
        code = add_number(l, &l->next->records, (uint32_t)i, (int)item->records, e);
        if (code == ERR_OK) {
            code = pvec_edit(&degree, &l->next->degree, &l->txn, i, e);
        }
        if (code == ERR_OK) {
            *(double *)degree += item->degree;
            code = item->edge_users > 0
                       ? add_number(l, &l->next->edge_users, (uint32_t)i, (int)item->edge_users, e)
                       : ERR_OK;
        }
    }
    live_tally_drop(l);
    return code;
}

void live_tally_drop(live *l)
{
    mem_free(l->tally);
    l->tally = NULL;
    l->tally_rows = 0;
}

err_code live_put_list(live *l, uint32_t user, const live_edge *edges, size_t count, err *e)
{
    if (count == 0) {
        return ERR_OK;
    }
    user_list *list = NULL;
    void *place = NULL;
    err_code code = list_new(&list, l, (uint32_t)count, e);
    if (code == ERR_OK) {
        code = pvec_edit(&place, &l->next->lists, &l->txn, user, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    assert(*(user_list **)place == NULL);
    memcpy(list->edges, edges, count * sizeof list->edges[0]);
    list->count = (uint32_t)count;
    *(user_list **)place = list;
    return count_list(l, list, 1, e);
}

err_code live_drop_user(live *l, uint32_t row, err *e)
{
    view *v = l->next;
    if (row >= v->user_rows || !view_bit(&v->user_exists, row)) {
        return ERR_OK;
    }
    void *place = NULL;
    err_code code = live_bit(l, &v->user_exists, row, false, NULL, e);
    if (code == ERR_OK) {
        v->users--;
        code = pvec_edit(&place, &v->lists, &l->txn, row, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    user_list *list = *(user_list **)place;
    if (list == NULL) {
        return ERR_OK;
    }
    *(user_list **)place = NULL;
    v->changes++;
    code = count_list(l, list, -1, e);
    return code == ERR_OK ? pvec_txn_replaced(&l->txn, list, mem_free, e) : code;
}
