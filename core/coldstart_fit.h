/*
 * coldstart_fit: the tables of the cold start's maps and how they are fitted; used by
 * core/coldstart.c only.
 */
#ifndef CORE_COLDSTART_FIT_H
#define CORE_COLDSTART_FIT_H

#include "core/coldstart_maps.h"

struct coldstart {
    const model *m;
    uint32_t generation;
    size_t dim, modalities, items;
    size_t inputs; /* of the ridge map: whitened rows, a flag per modality, 1 */
    coldstart_tuning tuning;
    float *unit;   /* (modalities, items, dim) content rows */
    float *length; /* (modalities, items) of the rows before they were made unit; NaN: missing */
    float *map;    /* (inputs, dim) */
    float norm_max;
    float *spread_h;       /* (dim, dim) covariance of H over the items */
    float *spread_content; /* (modalities * dim, same) */
    float *mean_content;   /* (modalities * dim) */
};

/* cold_unit_row brings a whitened row into principal directions and to length 1; returns the
 * length before. */
float cold_unit_row(const float *whitened, const float *spread, size_t dim, float *out);

/* cold_input_row writes the ridge map's inputs of one of the generation's items. */
void cold_input_row(const coldstart *c, size_t row, float *out /* (inputs) */);

#endif
