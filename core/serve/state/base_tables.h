/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_tables: the internals of a base, for the files that search it and make new ones. All other
 * files use core/serve/state/base.h. Everything is immutable once a view has it.
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
    word_space *words; /* NULL if there is no text modality */
    /* bitmap over items: nobody had taken the item when the generation was made (its H was w E) */
    uint64_t *untaken;
    /* (dim) direction of the mean user, of length 1; NULL if the model has features, and if no user
     * was trained */
    float *typical_user;
} generation_tables;

/* A vector prepared by base_fold_item for live_activate. */
typedef struct base_later {
    uint32_t item;
    cold_item *prepared;
} base_later;

struct base {
    atomic_uint references;
    uint32_t generation;
    size_t dim, layers;
    size_t items, users; /* rows of the tables below */
    /* item rows that training has seen; later ones have vectors from their features */
    size_t trained;
    const float *w, *f;  /* (dim) weights of FSC, docs/model.md */
    const float *user_w; /* (dim) weights of a user's own row of E */
    const parts *parts;  /* divides a score into its two parts */
    vector_index *index;
    const float *h;          /* (items, dim) the index's own memory */
    const float *g;          /* (items, dim) */
    const float *embeddings; /* (items, dim) */
    const float *user_e;     /* (users, dim) */
    /* (users) number of each user's pairs in training; NULL if unknown */
    const uint32_t *user_pairs;
    float *inverse_norm[BASE_PARTS]; /* (items) 1 / norm of each part of H, 0 if the norm is 0 */
    float typical_norm[BASE_PARTS];  /* mean of the norms above 0; 1 if there are none */
    uint64_t *placed;                /* bitmap over items: the row of H is not all zero */
    const item_links *links;         /* the sparse part of the score; NULL if there is none */
    /* (dim, dim) covariance of the rows of H; NULL without links */
    float *covariance;
    /* (dim, dim) covariance of rows of H for scaling likeness (core/serve/query/similar.c), from a
     * sample of the items; NULL without links */
    float *likeness_covariance[BASE_PARTS];
    /* bitmap over later items whose own list (core/serve/state/later_links.h) is included in the
     * links; NULL if there are none */
    uint64_t *linked;
    float *own_g, *own_e;  /* tables that this base frees, or NULL */
    item_links *own_links; /* links that this base frees, or NULL */
    generation_tables *shared;
    base_later *later; /* (later_count) by item */
    size_t later_count, later_room;
    /* For a base made by propagate_run: the view it was made from. */
    uint64_t made_at_seq; /* 0: the tables are as training made them */
    uint64_t made_of_changes;
    const void *made_of_delta;
    size_t made_of_delta_count;
};

static inline bool base_linked(const base *b, uint32_t item)
{
    return b->linked != NULL && item < b->items && bits_test(b->linked, item);
}

/* base_bare tells whether the items have no features. */
static inline bool base_bare(const base *b)
{
    return b->shared->model->modality_count == 0;
}

/* base_untaken tells whether nobody had taken the item when the generation was made. */
static inline bool base_untaken(const base *b, uint32_t item)
{
    return item >= b->trained || bits_test(b->shared->untaken, item);
}

/* base_finish computes what follows from index, E and G: norms and bitmap. For base_new and
 * propagate. */
err_code base_finish(base *b, err *e) ERR_CHECKED;

#endif
