/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features: the items' feature vectors by modality, exactly as given.
 *
 * The first use of a modality's name fixes its number and width for the life of the store. Half and
 * single precision are kept as given. An item without a record lacks that modality. Keys are
 * (modality, item row), so one modality can be read in one sweep.
 */
#ifndef STORAGE_FEATURES_H
#define STORAGE_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/common/slice.h"
#include "storage/env/store.h"

typedef struct modality {
    uint8_t number; /* 0, 1, ... in order of first use */
    uint32_t width;
    slice name;
} modality;

/* Who made a stored vector. */
typedef enum feature_origin {
    FEATURE_ABSENT,   /* there is none */
    FEATURE_GIVEN,    /* a client */
    FEATURE_UNMARKED, /* an encoder; or anybody, if an older release stored it */
} feature_origin;

/* modality_list returns all modalities by number, copied into `a`. */
err_code modality_list(store_read *r, arena *a, const modality **out, size_t *count,
                       err *e) ERR_CHECKED;

/* modality_find finds a modality by name; the result's name is `name` itself. ERR_NOT_FOUND if
 * there is none. */
err_code modality_find(store_read *r, slice name, modality *out, err *e) ERR_CHECKED;

/* modality_number finds or registers a modality. ERR_INVALID: the width differs ("expected 384
 * numbers, not 383"). ERR_TOO_LARGE: there are MODALITIES_MAX already. */
err_code modality_number(store_write *w, slice name, uint32_t width, uint8_t *number, bool *is_new,
                         err *e) ERR_CHECKED;

/* modality_resize removes all vectors of a registered modality and gives it another width. */
err_code modality_resize(store_write *w, slice name, uint32_t width, err *e) ERR_CHECKED;

/* features_get returns all vectors of one item by number, copied into `a` (data 16-byte
 * aligned). `encoded` tells that a vector is FEATURE_UNMARKED. */
err_code features_get(store_read *r, uint32_t row, arena *a, const feature **out, size_t *count,
                      err *e) ERR_CHECKED;

/* feature_origin_get tells who made an item's vector of one modality. */
err_code feature_origin_get(store_read *r, uint32_t row, uint8_t number, feature_origin *out,
                            err *e) ERR_CHECKED;

/* features_read fills out (count, width) with one modality's vectors of rows first .. first + count
 * - 1 as float. An item without one, also a deleted item, gets a row of NaN. */
err_code features_read(store_read *r, uint8_t number, uint32_t first, size_t count, float *out,
                       err *e) ERR_CHECKED;

/* feature_put stores f->data, given by a client, for a registered modality of the same width.
 * feature_put_encoded does so for a vector that an encoder made. feature_remove removes a vector;
 * *was tells whether there was one. */
err_code feature_put(store_write *w, uint32_t row, uint8_t number, const feature *f,
                     err *e) ERR_CHECKED;
err_code feature_put_encoded(store_write *w, uint32_t row, uint8_t number, const feature *f,
                             err *e) ERR_CHECKED;
err_code feature_remove(store_write *w, uint32_t row, uint8_t number, bool *was,
                        err *e) ERR_CHECKED;

#endif
