/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live: the live tables from the first view to the last: changes, the load at the start, readers.
 */
#include "core/serve/update/live_tables.h"

#include <assert.h>

#include "core/common/mem.h"

static void init_vectors(view *v)
{
    pvec *bitmaps[] = {&v->exists, &v->listable, &v->placed, &v->user_exists, &v->stale};
    for (size_t i = 0; i < sizeof bitmaps / sizeof bitmaps[0]; i++) {
        pvec_init(bitmaps[i], sizeof(uint64_t), BITMAP_LEAF_BITS);
    }
    pvec_init(&v->tags, sizeof(item_tags *), 7);
    pvec_init(&v->created, sizeof(int64_t), 9);
    pvec_init(&v->edge_users, sizeof(uint32_t), 9);
    pvec_init(&v->records, sizeof(uint32_t), 9);
    pvec_init(&v->successor, sizeof(uint32_t), 9);
    pvec_init(&v->degree, sizeof(double), 7);
    pvec_init(&v->categories, sizeof(pvec), 4);
    pvec_init(&v->attributes, sizeof(attribute_column), 4);
    pvec_init(&v->lists, sizeof(user_list *), 7);
    pvec_init(&v->slots, sizeof(uint32_t), 8);
    pvec_init(&v->later, sizeof(later_list *), 7);
}

err_code live_new(live **out, const live_options *options, err *e)
{
    *out = NULL;
    live *l = mem_array(1, sizeof *l);
    if (l == NULL) {
        return err_nomem(e, "the live tables");
    }
    l->options = options != NULL ? *options : (live_options){0};
    l->top_rows = l->options.top_rows > 0 ? l->options.top_rows : LIVE_TOP_ROWS;
    err_code code = epoch_new(&l->ep, e);
    if (code == ERR_OK) {
        code = recommend_scratch_new(&l->scratch, e);
    }
    if (code == ERR_OK) {
        code = idmap_new(&l->item_ids, e);
    }
    if (code == ERR_OK) {
        code = idmap_new(&l->user_ids, e);
    }
    if (code == ERR_OK) {
        code = idmap_new(&l->strings, e);
    }
    view *v = code == ERR_OK ? mem_array(1, sizeof *v) : NULL;
    if (v == NULL) {
        live_free(l);
        return code != ERR_OK ? code : err_nomem(e, "the first view");
    }
    v->item_ids = l->item_ids;
    v->user_ids = l->user_ids;
    v->strings = l->strings;
    init_vectors(v);
    atomic_init(&l->current, v);
    *out = l;
    return ERR_OK;
}

/* free_pointers frees the targets of a vector of pointers. */
static void free_pointers(pvec *v, size_t rows, pvec_free_fn release)
{
    for (size_t i = 0; i < rows; i++) {
        release(*(void *const *)pvec_get(v, i));
    }
    pvec_free(v);
}

/* free_vectors_of frees a vector whose elements begin with a vector. */
static void free_vectors_of(pvec *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pvec inner = *(const pvec *)pvec_get(v, i);
        if (inner.root != NULL) {
            pvec_free(&inner);
        }
    }
    pvec_free(v);
}

static void view_free_all(view *v, size_t strings)
{
    free_pointers(&v->tags, v->item_rows, mem_free);
    free_pointers(&v->lists, v->user_rows, mem_free);
    free_pointers(&v->later, v->item_rows, later_list_release);
    free_vectors_of(&v->categories, strings);
    free_vectors_of(&v->attributes, strings);
    pvec *plain[] = {&v->exists,     &v->listable, &v->placed,   &v->created,
                     &v->edge_users, &v->records,  &v->degree,   &v->user_exists,
                     &v->slots,      &v->stale,    &v->successor};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        pvec_free(plain[i]);
    }
    for (int kind = 0; kind < TOP_KINDS; kind++) {
        mem_free(v->top[kind]);
    }
    base_release(v->base);
    delta_free(v->delta);
    mem_free(v);
}

void live_free(live *l)
{
    if (l == NULL) {
        return;
    }
    live_tally_drop(l);
    if (l->next != NULL) {
        live_undo(l);
    }
    view *v = atomic_load(&l->current);
    if (v != NULL) {
        view_free_all(v, idmap_rows(l->strings));
    }
    epoch_free(l->ep);
    recommend_scratch_free(l->scratch);
    idmap_free(l->item_ids);
    idmap_free(l->user_ids);
    idmap_free(l->strings);
    pvec_txn_fini(&l->txn);
    mem_free(l->moved);
    mem_free(l->moving);
    mem_free(l);
}

void live_acquire(live *l, live_hold *out)
{
    out->slot = epoch_enter(l->ep);
    out->view = atomic_load(&l->current);
}

void live_release(live *l, live_hold *hold)
{
    epoch_leave(l->ep, hold->slot);
    hold->view = NULL;
}

size_t live_reclaim(live *l)
{
    return epoch_reclaim(l->ep);
}

static err_code enter_change(live *l, const change *c, err *e)
{
    switch (c->kind) {
    case CHANGE_ITEM: return live_put_item(l, c->item, e);
    case CHANGE_ITEM_GONE: return live_drop_item(l, c->row.row, e);
    case CHANGE_USER: return live_put_user(l, c->row.row, c->row.id, e);
    case CHANGE_USER_GONE: return live_drop_user(l, c->row.row, e);
    case CHANGE_EDGE: return live_put_edge(l, &c->edge, e);
    case CHANGE_EDGE_GONE: return live_drop_edge(l, &c->edge, e);
    case CHANGE_MODALITY:
    case CHANGE_TYPE:
    case CHANGE_GENERATION: return ERR_OK;
    }
    return err_set(e, ERR_INTERNAL, "a change of unknown kind %d", (int)c->kind);
}

err_code live_apply(live *l, const change_list *changes, err *e)
{
    assert(l->next == NULL);
    err_code code = live_begin(l, e);
    if (code != ERR_OK) {
        return code;
    }
    for (size_t i = 0; i < changes->count && code == ERR_OK; i++) {
        code = enter_change(l, &changes->items[i], e);
    }
    if (code == ERR_OK) {
        code = live_top(l, e);
    }
    if (code != ERR_OK) {
        live_undo(l);
        return code;
    }
    l->next->seq = changes->seq;
    return live_publish(l, e);
}

/* load_step undoes everything if a step of the load failed: the shop is empty again. */
static err_code load_step(live *l, err_code code)
{
    if (code != ERR_OK) {
        live_tally_drop(l);
    }
    if (code != ERR_OK && l->next != NULL) {
        live_undo(l);
    }
    return code;
}

err_code live_load_gone(live *l, uint32_t predecessor, uint32_t row, err *e)
{
    err_code code = live_begin(l, e);
    return load_step(l, code == ERR_OK ? live_follow(l, predecessor, row, e) : code);
}

err_code live_load_item(live *l, const change_item *item, err *e)
{
    err_code code = live_begin(l, e);
    return load_step(l, code == ERR_OK ? live_put_item(l, item, e) : code);
}

err_code live_load_user(live *l, uint32_t row, slice id, const live_edge *edges, size_t count,
                        err *e)
{
    err_code code = live_begin(l, e);
    if (code == ERR_OK) {
        code = live_put_user(l, row, id, e);
    }
    if (code == ERR_OK) {
        code = live_tally_begin(l, e);
    }
    return load_step(l, code == ERR_OK ? live_put_list(l, row, edges, count, e) : code);
}

err_code live_load_end(live *l, uint64_t seq, err *e)
{
    err_code code = live_begin(l, e);
    code = load_step(l, code == ERR_OK ? live_tally_end(l, e) : code);
    if (code == ERR_OK) {
        code = load_step(l, live_top(l, e));
    }
    if (code != ERR_OK) {
        return code;
    }
    l->next->seq = seq;
    l->next->changes = 0;
    return live_publish(l, e);
}
