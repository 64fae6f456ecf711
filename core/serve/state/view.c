/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: reads from one immutable snapshot of the shop. The header has the contract.
 */
#include "core/serve/state/view_tables.h"

#include <string.h>

uint64_t view_seq(const view *v)
{
    return v->seq;
}

uint32_t view_generation(const view *v)
{
    return v->base != NULL ? v->base->generation : 0;
}

uint64_t view_tables_seq(const view *v)
{
    return v->base != NULL ? v->base->made_at_seq : 0;
}

void view_stats_get(const view *v, view_stats *out)
{
    *out = (view_stats){
        .seq = v->seq,
        .generation = view_generation(v),
        .items = v->items,
        .items_hidden = v->items_hidden,
        .users = v->users,
        .interactions = v->interactions,
        .base_rows = v->base != NULL ? v->base->items : 0,
        .delta_rows = v->delta_count,
        .changes = v->changes,
    };
}

size_t view_item_rows(const view *v)
{
    return v->item_rows;
}

size_t view_user_rows(const view *v)
{
    return v->user_rows;
}

uint32_t view_item_find(const view *v, slice id)
{
    uint32_t row = idmap_find(v->item_ids, id, v->item_rows);
    return row != ROW_NONE && view_bit(&v->exists, row) ? row : ROW_NONE;
}

uint32_t view_user_find(const view *v, slice id)
{
    uint32_t row = idmap_find(v->user_ids, id, v->user_rows);
    return row != ROW_NONE && view_bit(&v->user_exists, row) ? row : ROW_NONE;
}

uint32_t view_item_next(const view *v, uint32_t row)
{
    uint32_t next = row < v->item_rows ? *(const uint32_t *)pvec_get(&v->successor, row) : 0;
    return next != 0 ? next - 1 : ROW_NONE; /* always a later row */
}

uint32_t view_item_heir(const view *v, uint32_t row)
{
    while (row < v->item_rows && !view_bit(&v->exists, row)) {
        row = view_item_next(v, row);
    }
    return row < v->item_rows ? row : ROW_NONE;
}

slice view_item_id(const view *v, uint32_t row)
{
    bool there = row < v->item_rows && view_bit(&v->exists, row);
    return there ? idmap_id(v->item_ids, row) : (slice){NULL, 0};
}

slice view_user_id(const view *v, uint32_t row)
{
    bool there = row < v->user_rows && view_bit(&v->user_exists, row);
    return there ? idmap_id(v->user_ids, row) : (slice){NULL, 0};
}

unsigned view_item_flags(const view *v, uint32_t row)
{
    if (row >= v->item_rows || !view_bit(&v->exists, row)) {
        return 0;
    }
    return ITEM_EXISTS | (view_bit(&v->listable, row) ? 0U : (unsigned)ITEM_HIDDEN) |
           (view_bit(&v->placed, row) ? (unsigned)ITEM_PLACED : 0U);
}

int64_t view_item_created(const view *v, uint32_t row)
{
    return *(const int64_t *)pvec_get(&v->created, row);
}

uint32_t view_item_users(const view *v, uint32_t row)
{
    return *(const uint32_t *)pvec_get(&v->edge_users, row);
}

double view_item_degree(const view *v, uint32_t row)
{
    return *(const double *)pvec_get(&v->degree, row);
}

const live_edge *view_user_edges(const view *v, uint32_t row, size_t *count)
{
    *count = 0;
    if (row >= v->user_rows) {
        return NULL;
    }
    const user_list *list = *(const user_list *const *)pvec_get(&v->lists, row);
    *count = list != NULL ? list->count : 0;
    return *count > 0 ? list->edges : NULL;
}

size_t view_dim(const view *v)
{
    return v->base != NULL ? v->base->dim : 0;
}

const float *view_vector(const view *v, uint32_t row, vector_kind kind)
{
    const base *b = v->base;
    if (b == NULL || row >= v->item_rows || !view_bit(&v->placed, row)) {
        return NULL;
    }
    size_t slot = view_slot(v, row), at = row;
    const float *tables[] = {b->h, b->g, b->embeddings};
    if (slot != SIZE_MAX) {
        const delta_chunk *chunk = v->delta->chunks[slot / DELTA_CHUNK_ROWS];
        at = slot % DELTA_CHUNK_ROWS;
        tables[VECTOR_H] = chunk->h;
        tables[VECTOR_G] = chunk->g;
        tables[VECTOR_E] = chunk->embedding;
    }
    return tables[kind] + at * b->dim;
}

bool view_item_vector(const view *v, uint32_t row, float *out)
{
    const float *h = view_vector(v, row, VECTOR_H);
    if (h != NULL) {
        memcpy(out, h, v->base->dim * sizeof *out);
    }
    return h != NULL;
}

float pair_weight(const live_edge *edges, size_t count, bool *seen, size_t *records)
{
    float weight = 0;
    *seen = false;
    size_t n = 0;
    for (; n < count && edges[n].item == edges[0].item; n++) {
        const live_edge *in = &edges[n];
        if ((in->flags & EDGE_IN_GRAPH) != 0 && in->weight > weight) {
            weight = in->weight;
        }
        *seen = *seen || (in->flags & EDGE_SEEN) != 0;
    }
    *records = n;
    return weight;
}
