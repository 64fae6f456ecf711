/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coldstart_fit: the tables of the cold start and how they are made; for
 * core/serve/state/coldstart.c only.
 */
#ifndef CORE_COLDSTART_FIT_H
#define CORE_COLDSTART_FIT_H

#include "core/common/item_fields.h"
#include "core/model/content_map.h"
#include "core/search/index.h"
#include "core/serve/state/coldstart_maps.h"

/* Where one modality's neighbours are searched: features at length 1. Features wider than the table
 * are folded with signs (a count sketch), which keeps inner products on average. */
typedef struct cold_space {
    size_t width; /* width of the table's rows */
    bool raw;     /* rows are features as given; otherwise whitened rows scaled by their spread */
    vector_index *rows;
} cold_space;

struct coldstart {
    const model *m;
    uint32_t generation;
    size_t dim, modalities, items;
    coldstart_tuning tuning;
    float weight[MODALITIES_MAX]; /* weight of each modality in a content link; they sum to 1 */
    cold_space space[MODALITIES_MAX];
    const content_map *fitting; /* the model's map between features, or NULL */
    float norm_max;             /* largest norm of the trained rows of E */
    float *spread;              /* (dim, dim) covariance of w E over the items */
    /* inputs of the ridge map: whitened rows, a flag for each modality, 1 */
    size_t inputs;
    float *map; /* (inputs, dim); NULL unless the way of making E needs it */
};

/* A new item's features in the form in which neighbours are searched: a row for each cold_space. */
typedef struct cold_units {
    uint32_t known; /* bit m: of[m] is present, at length 1 */
    float *of[MODALITIES_MAX];
} cold_units;

/* A new item whose neighbours and links are being searched. */
typedef struct cold_seek {
    cold_item *item;
    cold_units units;
} cold_seek;

/* coldstart_near finds the neighbours and the content links of up to COLD_BATCH new items. */
err_code coldstart_near(cold_seek *seeks, size_t count, const coldstart *c, err *e) ERR_CHECKED;

/* cold_input_row writes the ridge map's inputs for one of the generation's items. */
void cold_input_row(const coldstart *c, size_t row, float *out /* (inputs) */);

/* coldstart_fit_map fits the ridge map. */
err_code coldstart_fit_map(coldstart *c, err *e) ERR_CHECKED;

#endif
