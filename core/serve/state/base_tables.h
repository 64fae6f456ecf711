/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_tables: the internals of a base, for the files that search it and make new ones.
 * Everybody else uses core/serve/state/base.h. All of it is immutable once a view has it.
 */
#ifndef CORE_BASE_TABLES_H
#define CORE_BASE_TABLES_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/common/bits.h"
#include "core/model/model.h"
#include "core/search/index.h"
#include "core/serve/state/base.h"
#include "core/serve/state/coldstart.h"
#include "core/serve/state/parts.h"

typedef struct coldstart coldstart;

enum { BASE_PARTS = 3 }; /* all, collaborative, multimodal: as similar_by counts them */

/* What all bases of one generation share: the model's user rows and the cold-start maps. */
typedef struct generation_tables {
    atomic_uint references;
    model *model;
    coldstart *cold;
    parts *parts;
    word_space *words; /* NULL: no modality of texts */
} generation_tables;

/* A vector that waits for live_activate (base_fold_item). */
typedef struct base_later {
    uint32_t item;
    cold_item *prepared;
} base_later;

struct base {
    atomic_uint references;
    uint32_t generation;
    size_t dim, layers;
    size_t items, users; /* rows of the tables below */
    size_t trained;      /* item rows that training has seen; later ones came by their features */
    const float *w, *f;  /* (dim) weights of FSC, docs/model.md */
    const float *user_w; /* (dim) weights of a user's own row of E */
    const parts *parts;  /* of a score into its two parts */
    vector_index *index;
    const float *h;                  /* (items, dim) the index's own memory */
    const float *g;                  /* (items, dim) */
    const float *embeddings;         /* (items, dim) */
    const float *user_e;             /* (users, dim) */
    const uint32_t *user_pairs;      /* (users) pairs that training had of each; NULL: unknown */
    float *inverse_norm[BASE_PARTS]; /* (items) 1 / the norm of each part of H, 0 for 0 */
    float typical_norm[BASE_PARTS];  /* mean of those norms that are above 0; 1 without any */
    uint64_t *placed;                /* bitmap over items: H is not all zero */
    const item_links *links;         /* the sparse half of the score; NULL: none */
    float *covariance;               /* (dim, dim) of the rows of H; NULL without links */
    /* (dim, dim) of rows of H by which likeness is measured (core/serve/query/similar.c), of a
     * sample of the items; NULL without links */
    float *likeness_covariance[BASE_PARTS];
    /* bitmap over items: later ones whose own list (core/serve/state/later_links.h) is among the
     * links; NULL: none */
    uint64_t *linked;
    float *own_g, *own_e;  /* tables that this base frees, or NULL */
    item_links *own_links; /* likewise */
    generation_tables *shared;
    base_later *later; /* (later_count) by item */
    size_t later_count, later_room;
    /* Of a base that propagate_run made: the view it was made from. */
    uint64_t made_at_seq; /* 0: the tables are as the training made them */
    uint64_t made_of_changes;
    const void *made_of_delta;
    size_t made_of_delta_count;
};

static inline bool base_linked(const base *b, uint32_t item)
{
    return b->linked != NULL && item < b->items && bits_test(b->linked, item);
}

/* base_finish fills what follows from index, E and G: norms, bitmap. For base_new and propagate. */
err_code base_finish(base *b, err *e) ERR_CHECKED;

#endif
