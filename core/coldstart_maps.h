/*
 * coldstart_maps: the inside of the cold start, for base and recommend. See core/coldstart.h.
 *
 * Two things come of an item's features. Its row of E, for the inner product with everybody else's
 * rows, and its content rows: per modality the features in the principal directions that MI kept,
 * at length 1, so that inner products of content rows are (centred) cosines. A missing modality is
 * zeros.
 */
#ifndef CORE_COLDSTART_MAPS_H
#define CORE_COLDSTART_MAPS_H

#include "core/coldstart.h"
#include "core/model.h"

typedef struct coldstart coldstart;

/* How the row of E is made; the default is what measured best (ARCHITECTURE.md has the table). */
typedef enum coldstart_way {
    COLDSTART_MI = 0,     /* the projection of modality initialisation alone */
    COLDSTART_NEIGHBOURS, /* weighted mean of the neighbours' trained rows */
    COLDSTART_RIDGE,      /* a linear map fitted to the trained rows */
    COLDSTART_RESIDUALS,  /* the map, plus what it misses at the neighbours */
} coldstart_way;

typedef struct coldstart_tuning {
    coldstart_way way;
    uint32_t neighbours; /* per unit of a modality's k_m */
    float temperature;   /* of the softmax over neighbours' similarities */
    float ridge;         /* of the mean diagonal of the Gram matrix */
    float affinity;      /* lambda: weight of the content affinity beside the inner product */
    uint32_t lean_until; /* users from which on an item gets none of it */
} coldstart_tuning;

extern const coldstart_tuning coldstart_tuning_default;

/* coldstart_new fits the maps from the model's tables; `h` (items, dim) are its rows of H. Borrows
 * the model, which must stay. tuning NULL: the default. */
err_code coldstart_new(coldstart **out, const model *m, const float *h, uint32_t generation,
                       const coldstart_tuning *tuning, err *e) ERR_CHECKED;
void coldstart_free(coldstart *c);

/* coldstart_content borrows the unit rows (*modalities, items, dim) of the generation's items. */
const float *coldstart_content(const coldstart *c, size_t *modalities);

/* coldstart_embed is coldstart_prepare without a view. */
err_code coldstart_embed(cold_item **out, const coldstart *c, const feature *features, size_t count,
                         err *e) ERR_CHECKED;

/* coldstart_known tells which of the generation's modalities are among the features, as bits. */
uint32_t coldstart_known(const coldstart *c, const feature *features, size_t count);

/* coldstart_lean is how much of the content affinity an item with so many users still gets: 1 for
 * none, 0 from some number on. */
float coldstart_lean(const coldstart *c, uint32_t users);

/* coldstart_scale turns a profile's sums of content rows into a query, in place: an item's affinity
 * is the sum over its modalities of <query, its unit row> - offset[modality], with the spread that
 * the profile's scores have over the items, times lambda:
 * lambda * sqrt(h' Sigma_H h) / sqrt(c' Sigma_c c), modalities weighted by k_m. False if there is
 * nothing to scale. */
bool coldstart_scale(const coldstart *c, const float *h /* (dim) */,
                     float *content /* (modalities * dim) */, float *offset /* (modalities) */);

#endif
