/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coldstart_maps: the internals of the cold start, for base and recommend. See
 * core/serve/state/coldstart.h.
 *
 * An item's features lead to two things: its nearest trained items for each modality, found among
 * the features as given; and its row of E, computed from theirs. A user who owns one of these
 * trained items gets the new item ranked higher, through content links of the same kind as those
 * between trained items (core/serve/state/coldstart_near.c).
 */
#ifndef CORE_COLDSTART_MAPS_H
#define CORE_COLDSTART_MAPS_H

#include <stdbool.h>

#include "core/model/model.h"
#include "core/serve/state/coldstart.h"

typedef struct coldstart coldstart;

/* How the row of E is computed. The default is the best one measured (docs/measurements.md has the
 * table). */
typedef enum coldstart_way {
    COLDSTART_MI = 0,     /* the projection of modality initialisation alone */
    COLDSTART_NEIGHBOURS, /* weighted mean of the neighbours' trained rows */
    COLDSTART_RIDGE,      /* a linear map fitted to the trained rows */
    COLDSTART_RESIDUALS,  /* the map, plus its error at the neighbours */
} coldstart_way;

typedef struct coldstart_tuning {
    coldstart_way way;
    uint32_t neighbours; /* number of neighbours per unit of a modality's k_m */
    float temperature;   /* temperature of the softmax over neighbours' similarities */
    float ridge;         /* in units of the mean diagonal of the Gram matrix */
    /* lambda: the weight of one similar neighbour that the user has, in spreads of scores */
    float affinity;
    uint32_t lean_until; /* number of users from which on an item gets no affinity */
} coldstart_tuning;

extern const coldstart_tuning coldstart_tuning_default;

/* What coldstart_new is made from, in addition to the model. */
typedef struct coldstart_options {
    uint32_t generation;
    const coldstart_tuning *tuning; /* NULL: the default */
    /* The items' features as given, by name. A modality without a source is searched in the
     * principal directions that training kept, which finds worse neighbours. */
    const feature_source *sources; /* (source_count) */
    size_t source_count;
    unsigned threads; /* for building; 0 means one */
    /* Bitmap over the model's items. The items in it are nobody's neighbours, and no links lead to
     * them. NULL: none. Borrowed until coldstart_new returns. */
    const uint64_t *left_out;
} coldstart_options;

/* coldstart_new reads the features once. It borrows the model, which must outlive it. The model's
 * content tables need to stay only until it returns, unless the way needs the ridge map. */
err_code coldstart_new(coldstart **out, const model *m, const coldstart_options *options,
                       err *e) ERR_CHECKED;
void coldstart_free(coldstart *c);

/* coldstart_let_go frees the model's content tables if they are no longer needed. */
void coldstart_let_go(const coldstart *c, model *m);

/* coldstart_embed is coldstart_prepare without a view. */
err_code coldstart_embed(cold_item **out, const coldstart *c, const feature *features, size_t count,
                         err *e) ERR_CHECKED;

/* coldstart_embed_many is coldstart_prepare_many without a view. */
err_code coldstart_embed_many(cold_request *requests, size_t count, const coldstart *c,
                              err *e) ERR_CHECKED;

/* coldstart_known tells which of the generation's modalities are among the features, as bits. */
uint32_t coldstart_known(const coldstart *c, const feature *features, size_t count);

/* coldstart_lean returns the share of the content affinity that an item with `users` users still
 * gets: 1 without users, 0 from some number on. */
float coldstart_lean(const coldstart *c, uint32_t users);

/* coldstart_fitted tells whether the links of later items include a map between features. */
bool coldstart_fitted(const coldstart *c);

/* coldstart_spread returns lambda times the spread, over the items, of the inner products of this
 * row of H with rows without interactions: the unit of the content affinity. */
float coldstart_spread(const coldstart *c, const float *h /* (dim) */);

#endif
