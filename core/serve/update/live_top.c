/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_top: updates the lists of popular and latest items after an op.
 *
 * Rows that an op may have moved are noted while it is applied. At its end, each noted row's place
 * in the published view is compared with its place now. Only if one of the two lies within the list
 * is the list remade, by one merge that removes old keys and adds new ones. A list that has grown
 * to twice its size is cut; one that has shrunk to half is refilled by a scan, so a scan happens
 * only after about a thousand removals.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/top.h"
#include "core/serve/update/live_tables.h"

err_code live_moved(live *l, uint32_t row, err *e)
{
    if (l->next->top[TOP_USERS] == NULL) {
        return ERR_OK; /* a scan makes the lists in any case */
    }
    uint32_t *moved = mem_reserve(l->moved, &l->moved_room, l->moved_count + 1, sizeof *moved);
    if (moved == NULL) {
        return err_nomem(e, "the rows that an op moves");
    }
    l->moved = moved;
    l->moved[l->moved_count++] = row;
    return ERR_OK;
}

/* list_new leaves the keys unset, because the caller writes all of them. */
static err_code list_new(top_list **out, live *l, size_t keys, err *e)
{
    top_list *list = mem_grow(NULL, 1, sizeof *list + keys * sizeof list->keys[0]);
    if (list == NULL) {
        return err_nomem(e, "the first items of a list");
    }
    *list = (top_list){0};
    err_code code = pvec_txn_made(&l->txn, list, mem_free, e);
    if (code != ERR_OK) {
        mem_free(list);
        return code;
    }
    *out = list;
    return ERR_OK;
}

static err_code put_list(live *l, top_kind kind, top_list *list, err *e)
{
    top_list *old = l->next->top[kind];
    l->next->top[kind] = list;
    return old != NULL ? pvec_txn_replaced(&l->txn, old, mem_free, e) : ERR_OK;
}

/* scan_anew makes a list from all listable items. */
static err_code scan_anew(live *l, top_kind kind, err *e)
{
    const view *v = l->next;
    recommend_scratch *s = l->scratch;
    top_list *list = NULL;
    size_t listable = v->items - v->items_hidden;
    size_t room = listable < l->top_rows ? listable : l->top_rows;
    err_code code = scratch_fit(s, v, e);
    if (code == ERR_OK) {
        code = list_new(&list, l, room, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    filter_bits(v, NULL, s->allowed);
    list->count = top_scan(v, kind, s->allowed, list->keys, room);
    assert(list->count == room);
    list->whole = listable == room;
    list->threshold = room > 0 ? list->keys[room - 1] : (top_key){0};
    return put_list(l, kind, list, e);
}

/* belongs tells whether the row is in the part of the order that the list keeps. */
static bool belongs(const view *v, top_kind kind, const top_list *list, uint32_t row, top_key *key)
{
    if (!view_bit(&v->listable, row)) {
        return false;
    }
    *key = top_key_of(v, kind, row);
    return list->whole || !top_before(list->threshold, *key);
}

static bool same_key(top_key a, top_key b)
{
    return a.row == b.row && a.users == b.users && a.created == b.created;
}

static int by_place(const void *a, const void *b)
{
    top_key one = *(const top_key *)a, other = *(const top_key *)b;
    return top_before(one, other) ? -1 : same_key(one, other) ? 0 : 1;
}

/* Keys that leave a list and keys that enter it, each in order. */
typedef struct moves {
    top_key *gone, *come;
    size_t gone_count, come_count;
} moves;

static void find_moves(const live *l, top_kind kind, const top_list *list, moves *m)
{
    const view *before = atomic_load(&l->current);
    for (size_t i = 0; i < l->moved_count; i++) {
        top_key was = {0}, is = {0};
        bool had = belongs(before, kind, list, l->moved[i], &was);
        bool has = belongs(l->next, kind, list, l->moved[i], &is);
        if (had && has && same_key(was, is)) {
            continue;
        }
        if (had) {
            m->gone[m->gone_count++] = was;
        }
        if (has) {
            m->come[m->come_count++] = is;
        }
    }
    if (m->gone_count > 1) { /* an empty list may have no memory */
        sort_array(m->gone, m->gone_count, sizeof *m->gone, by_place);
    }
    if (m->come_count > 1) {
        sort_array(m->come, m->come_count, sizeof *m->come, by_place);
    }
}

/* place_of returns the first place at or after `from` whose key is not before `key`. Its steps
 * double and then halve, so many moves in a row cost no more than a linear walk, and few moves skip
 * most keys. */
static size_t place_of(const top_list *list, size_t from, top_key key)
{
    size_t step = 1, low = from;
    while (low + step <= list->count && top_before(list->keys[low + step - 1], key)) {
        low += step;
        step *= 2;
    }
    for (; step > 0; step /= 2) {
        if (low + step <= list->count && top_before(list->keys[low + step - 1], key)) {
            low += step;
        }
    }
    return low;
}

/* copy_run appends the keys [from, end) of the old list. */
static void copy_run(const top_list *old, size_t from, size_t end, top_list *out)
{
    if (end > from) {
        memcpy(out->keys + out->count, old->keys + from, (end - from) * sizeof *out->keys);
        out->count += end - from;
    }
}

/* merge writes the old list, without the keys that leave it and with those that enter it. */
static void merge(const top_list *old, const moves *m, top_list *out)
{
    size_t at = 0, gone = 0, come = 0;
    out->count = 0;
    while (gone < m->gone_count || come < m->come_count) {
        bool leaves = come == m->come_count ||
                      (gone < m->gone_count && top_before(m->gone[gone], m->come[come]));
        top_key key = leaves ? m->gone[gone] : m->come[come];
        size_t place = place_of(old, at, key);
        copy_run(old, at, place, out);
        at = place;
        if (leaves) {
            /* a key that is not found belongs to a row that moved without being recorded */
            assert(at < old->count && same_key(old->keys[at], key));
            at++;
            gone++;
        } else {
            out->keys[out->count++] = key;
            come++;
        }
    }
    copy_run(old, at, old->count, out);
    out->whole = old->whole;
    out->threshold = old->threshold;
}

static err_code follow(live *l, top_kind kind, err *e)
{
    const top_list *old = l->next->top[kind];
    if (old == NULL) {
        return scan_anew(l, kind, e);
    }
    moves m = {.gone = l->moving, .come = l->moving + l->moved_count};
    find_moves(l, kind, old, &m);
    if (m.gone_count == 0 && m.come_count == 0) {
        return ERR_OK;
    }
    size_t count = old->count - m.gone_count + m.come_count;
    if (!old->whole && count < l->top_rows / 2) {
        return scan_anew(l, kind, e);
    }
    top_list *list = NULL;
    err_code code = list_new(&list, l, count, e);
    if (code != ERR_OK) {
        return code;
    }
    merge(old, &m, list);
    if (list->count > 2 * l->top_rows) {
        list->count = l->top_rows;
        list->whole = false;
        list->threshold = list->keys[list->count - 1];
    }
    return put_list(l, kind, list, e);
}

static int by_row(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return one < other ? -1 : one > other;
}

static err_code prepare_moves(live *l, err *e)
{
    size_t kept = 0;
    if (l->moved_count > 1) {
        sort_array(l->moved, l->moved_count, sizeof *l->moved, by_row);
    }
    for (size_t i = 0; i < l->moved_count; i++) {
        if (i == 0 || l->moved[i] != l->moved[i - 1]) {
            l->moved[kept++] = l->moved[i];
        }
    }
    l->moved_count = kept;
    top_key *moving = mem_reserve(l->moving, &l->moving_room, 2 * kept + 1, sizeof *moving);
    if (moving == NULL) {
        return err_nomem(e, "the places that an op changes");
    }
    l->moving = moving;
    return ERR_OK;
}

err_code live_top(live *l, err *e)
{
    err_code code = prepare_moves(l, e);
    for (int kind = 0; kind < TOP_KINDS && code == ERR_OK; kind++) {
        code = follow(l, (top_kind)kind, e);
    }
    l->moved_count = 0;
    return code;
}
