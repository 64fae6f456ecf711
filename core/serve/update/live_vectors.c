/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_vectors: the delta of vectors beside the base, and the replacement of one base by the next.
 *
 * Slots of the delta are written before the view that can see them is published, and never
 * afterwards, so readers need no synchronisation. Undoing a change returns its slots by resetting
 * the count.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/scan.h"
#include "core/serve/state/coldstart_maps.h"
#include "core/serve/update/live_tables.h"

static void chunk_free(delta_chunk *chunk)
{
    if (chunk != NULL) {
        mem_free(chunk->h);
        mem_free(chunk->g);
        mem_free(chunk->embedding);
        mem_free(chunk);
    }
}

void delta_free(void *taken)
{
    delta *d = taken;
    for (size_t i = 0; d != NULL && i < DELTA_CHUNKS_MAX && d->chunks[i] != NULL; i++) {
        chunk_free(d->chunks[i]);
    }
    if (d != NULL) {
        later_index_fini(&d->later);
    }
    mem_free(d);
}

static err_code chunk_new(delta_chunk **out, const delta *d, err *e)
{
    delta_chunk *chunk = mem_array(1, sizeof *chunk);
    if (chunk != NULL) {
        chunk->h = mem_table(DELTA_CHUNK_ROWS * d->dim, sizeof(float));
        chunk->g = mem_table(DELTA_CHUNK_ROWS * d->dim, sizeof(float));
        chunk->embedding = mem_table(DELTA_CHUNK_ROWS * d->dim, sizeof(float));
    }
    if (chunk == NULL || chunk->h == NULL || chunk->g == NULL || chunk->embedding == NULL) {
        chunk_free(chunk);
        return err_nomem(e, "vectors of new items");
    }
    *out = chunk;
    return ERR_OK;
}

static err_code set_slot(live *l, uint32_t row, uint32_t slot_plus_one, err *e)
{
    void *place = NULL;
    err_code code = pvec_edit(&place, &l->next->slots, &l->txn, row, e);
    if (code == ERR_OK) {
        *(uint32_t *)place = slot_plus_one;
    }
    return code;
}

/* seen_slots returns how many slots of next's delta a reader may have seen. The others can be
 * written again. */
static size_t seen_slots(const live *l)
{
    const view *current = atomic_load(&l->current);
    return current->delta == l->next->delta ? current->delta_count : 0;
}

static bool is_finite(const vector_row *vectors, size_t dim)
{
    const float *rows[] = {vectors->h, vectors->g, vectors->embedding};
    bool finite = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        finite = finite && isfinite(scan_dot(rows[i], rows[i], dim));
    }
    return finite;
}

err_code live_append(live *l, uint32_t row, const vector_row *vectors, err *e)
{
    view *v = l->next;
    if (!is_finite(vectors, v->base->dim)) {
        return live_unplace(l, row, e); /* such a row would spoil every sum that includes it */
    }
    delta *d = v->delta;
    size_t slot = view_slot(v, row);
    if (slot == SIZE_MAX || slot < seen_slots(l)) {
        slot = d->count;
    }
    size_t at = slot % DELTA_CHUNK_ROWS;
    if (slot == (size_t)DELTA_CHUNKS_MAX * DELTA_CHUNK_ROWS) {
        return err_set(e, ERR_TOO_LARGE,
                       "%zu vectors outside the index, as many as allowed; train a model, or wait "
                       "for the background convolution",
                       slot);
    }
    delta_chunk **place = &d->chunks[slot / DELTA_CHUNK_ROWS];
    err_code code = *place == NULL ? chunk_new(place, d, e) : ERR_OK;
    if (code != ERR_OK) {
        return code;
    }
    memcpy((*place)->h + at * d->dim, vectors->h, d->dim * sizeof(float));
    memcpy((*place)->g + at * d->dim, vectors->g, d->dim * sizeof(float));
    memcpy((*place)->embedding + at * d->dim, vectors->embedding, d->dim * sizeof(float));
    (*place)->rows[at] = row;
    d->count += slot == d->count ? 1 : 0;
    v->delta_count = d->count;
    code = set_slot(l, row, (uint32_t)slot + 1, e);
    if (code == ERR_OK && row < v->base->items) {
        code = live_bit(l, &v->stale, row, true, NULL, e);
    }
    return code == ERR_OK ? live_bit(l, &v->placed, row, true, NULL, e) : code;
}

err_code live_unplace(live *l, uint32_t row, err *e)
{
    err_code code = live_bit(l, &l->next->placed, row, false, NULL, e);
    if (code == ERR_OK && view_slot(l->next, row) != SIZE_MAX) {
        code = set_slot(l, row, 0, e);
    }
    return code == ERR_OK ? live_set_list(l, row, NULL, e) : code;
}

/* put_cold places a row by its prepared vector: without edges, H = w E and G = w f E. */
static err_code put_cold(live *l, uint32_t row, const cold_item *cold, err *e)
{
    const base *b = l->next->base;
    if (cold->used == 0) {
        return live_unplace(l, row, e);
    }
    float *h = mem_array(2 * b->dim, sizeof *h);
    if (h == NULL) {
        return err_nomem(e, "a new item's vector");
    }
    float *g = h + b->dim;
    for (size_t j = 0; j < b->dim; j++) {
        h[j] = b->w[j] * cold->embedding[j];
        g[j] = b->layers > 0 ? b->f[j] * h[j] : 0;
    }
    err_code code = live_append(l, row, &(vector_row){h, g, cold->embedding}, e);
    mem_free(h);
    return code == ERR_OK ? live_set_list(l, row, cold->links, e) : code;
}

err_code live_place(live *l, const change_item *item, err *e)
{
    const base *b = l->next->base;
    if (b == NULL || (item->row < b->trained && view_bit(&l->next->placed, item->row))) {
        return ERR_OK; /* what training learned about an item stays until the next training */
    }
    const cold_item *ready = item->prepared;
    if (ready != NULL && ready->generation != b->generation) {
        ready = NULL;
    }
    bool used = ready != NULL && ready->used != 0;
    if (!item->features_changed && b->shared->words == NULL && !used) {
        return ERR_OK; /* this generation does not use texts */
    }
    l->next->changes++;
    /* A patch of one modality is prepared from that modality alone, but the item may have others.
     * Texts are always replaced together. The item may also have fewer modalities than were
     * prepared: a vector that the encoder returned before the commit is stored after it. */
    if (ready != NULL && (coldstart_known(b->shared->cold, item->features, item->feature_count) &
                          ~ready->used) == 0) {
        return put_cold(l, item->row, ready, e);
    }
    item_content content = cold_words_of_change(item);
    cold_words all;
    err_code code = cold_words_add(&all, b->shared->words, &content, e);
    if (code != ERR_OK) {
        return code;
    }
    cold_item *made = NULL;
    code = coldstart_embed(&made, b->shared->cold, all.features, all.count, e);
    if (code == ERR_OK) {
        code = put_cold(l, item->row, made, e);
    }
    cold_item_free(made);
    return code;
}

/* clear_vector hands every node of a vector to the transaction and leaves it empty. */
static err_code clear_vector(live *l, pvec *v, err *e)
{
    err_code code = pvec_txn_replaced_all(&l->txn, v, e);
    v->root = NULL;
    v->height = 0;
    return code;
}

static void release_base(void *b)
{
    base_release(b);
}

/* change_base installs `b` (not NULL) with an empty delta and its own placed rows. The caller's
 * reference goes to the new view. */
static err_code change_base(live *l, base *b, err *e)
{
    view *v = l->next;
    err_code code = ERR_OK;
    if (v->base != NULL) {
        code = pvec_txn_replaced(&l->txn, v->base, release_base, e);
    }
    if (code == ERR_OK && v->delta != NULL) {
        code = pvec_txn_replaced(&l->txn, v->delta, delta_free, e);
    }
    pvec *cleared[] = {&v->slots, &v->stale, &v->placed};
    for (size_t i = 0; i < 3 && code == ERR_OK; i++) {
        code = clear_vector(l, cleared[i], e);
    }
    if (code == ERR_OK) {
        code = pvec_txn_made(&l->txn, base_hold(b), release_base, e);
        if (code != ERR_OK) {
            base_release(b);
        }
    }
    if (code != ERR_OK) {
        return code;
    }
    v->base = b;
    v->delta_count = 0;
    v->delta = mem_array(1, sizeof *v->delta);
    if (v->delta == NULL) {
        return err_nomem(e, "a table of new items' vectors");
    }
    code = pvec_txn_made(&l->txn, v->delta, delta_free, e);
    if (code != ERR_OK) {
        mem_free(v->delta);
        return code;
    }
    v->delta->dim = b->dim;
    code = later_index_init(&v->delta->later, b->items, e);
    for (size_t word = 0; word * 64 < b->items && code == ERR_OK; word++) {
        uint64_t bits = b->placed[word] & *(const uint64_t *)pvec_get(&v->exists, word);
        void *place = NULL;
        if (bits != 0) {
            code = pvec_edit(&place, &v->placed, &l->txn, word, e);
        }
        if (place != NULL) {
            *(uint64_t *)place = bits;
        }
    }
    return code;
}

/* drop_model leaves the shop without vectors. */
static err_code drop_model(live *l, err *e)
{
    view *v = l->next;
    err_code code = ERR_OK;
    if (v->base != NULL) {
        code = pvec_txn_replaced(&l->txn, v->base, release_base, e);
    }
    if (code == ERR_OK && v->delta != NULL) {
        code = pvec_txn_replaced(&l->txn, v->delta, delta_free, e);
    }
    pvec *cleared[] = {&v->slots, &v->stale, &v->placed};
    for (size_t i = 0; i < 3 && code == ERR_OK; i++) {
        code = clear_vector(l, cleared[i], e);
    }
    v->base = NULL;
    v->delta = NULL;
    v->delta_count = 0;
    return code == ERR_OK ? live_clear_lists(l, e) : code;
}

static const cold_item *find_later(const base *b, uint32_t item)
{
    size_t low = 0, high = b->later_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->later[middle].item < item) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < b->later_count && b->later[low].item == item ? b->later[low].prepared : NULL;
}

/* place_later places one item that the generation does not know. */
static err_code place_later(live *l, uint32_t row, err *e)
{
    const base *b = l->next->base;
    const cold_item *prepared = find_later(b, row);
    if (prepared != NULL) {
        return put_cold(l, row, prepared, e);
    }
    if (l->options.features == NULL) {
        return ERR_OK;
    }
    item_content content = {0};
    cold_words all = {.count = 0};
    cold_item *made = NULL;
    err_code code = l->options.features(l->options.ctx, row, &content, e);
    if (code == ERR_OK) {
        code = cold_words_add(&all, b->shared->words, &content, e);
    }
    if (code == ERR_OK && all.count > 0) {
        code = coldstart_embed(&made, b->shared->cold, all.features, all.count, e);
    }
    if (code == ERR_OK && made != NULL) {
        code = put_cold(l, row, made, e);
    }
    cold_item_free(made);
    return code;
}

err_code live_activate(live *l, base *b, uint64_t seq, err *e)
{
    assert(l->next == NULL);
    err_code code = live_begin(l, e);
    if (code == ERR_OK) {
        code = b != NULL ? change_base(l, b, e) : drop_model(l, e);
    }
    if (code == ERR_OK && b != NULL) {
        code = live_clear_lists(l, e);
    }
    for (size_t row = b != NULL ? b->trained : SIZE_MAX;
         code == ERR_OK && b != NULL && row < l->next->item_rows; row++) {
        if (view_bit(&l->next->exists, row)) {
            code = place_later(l, (uint32_t)row, e);
        }
    }
    if (code == ERR_OK) {
        l->next->seq = seq;
        code = live_publish(l, e);
    } else if (l->next != NULL) {
        live_undo(l);
    }
    base_release(b); /* the view has its own reference, unless it failed */
    return code;
}

err_code live_serve(live *l, base *b, err *e)
{
    const view *current = atomic_load(&l->current);
    return live_activate(l, b, current->seq, e);
}

/* carry_row copies a row of the old delta to the new one if it is current and changed after the
 * base's view was taken. */
static err_code carry_row(live *l, const view *old, const base *b, size_t slot, err *e)
{
    const delta_chunk *chunk = old->delta->chunks[slot / DELTA_CHUNK_ROWS];
    size_t in_chunk = slot % DELTA_CHUNK_ROWS, at = in_chunk * b->dim;
    uint32_t row = chunk->rows[in_chunk];
    if (view_slot(old, row) != slot) {
        return ERR_OK;
    }
    return live_append(l, row, &(vector_row){chunk->h + at, chunk->g + at, chunk->embedding + at},
                       e);
}

static err_code carry(live *l, const view *old, const base *b, err *e)
{
    err_code code = ERR_OK;
    for (size_t slot = b->made_of_delta_count; slot < old->delta_count && code == ERR_OK; slot++) {
        code = carry_row(l, old, b, slot, e);
    }
    return code;
}

err_code live_swap(live *l, base *b, bool *swapped, err *e)
{
    assert(l->next == NULL);
    const view *old = atomic_load(&l->current);
    *swapped = false;
    if (old->base == NULL || old->base->generation != b->generation ||
        old->delta != b->made_of_delta) {
        base_release(b);
        return ERR_OK;
    }
    err_code code = live_begin(l, e);
    if (code == ERR_OK) {
        code = change_base(l, b, e);
    }
    if (code == ERR_OK) {
        code = carry(l, old, b, e);
    }
    if (code == ERR_OK) {
        code = live_carry_lists(l, e);
    }
    if (code == ERR_OK) {
        l->next->changes -= b->made_of_changes;
        code = live_publish(l, e);
        *swapped = code == ERR_OK;
    } else if (l->next != NULL) {
        live_undo(l);
    }
    base_release(b);
    return code;
}
