/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_store: stores a trained model as blobs of a generation, and loads it.
 *
 * Every table is one blob, stored as it lies in memory (little-endian floats), so loading is a few
 * large copies without decoding. Options, metrics and curve are one small record, "meta". Tables
 * with one row per user record their stride, so that an erasure can find the row.
 */
#ifndef STORAGE_MODEL_STORE_H
#define STORAGE_MODEL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/model.h"
#include "storage/env/store.h"
#include "storage/models/generations.h"

/* model_put writes all tables into a generation that is building. `ann` comes from index_encode; it
 * may be NULL. */
err_code model_put(store *s, const generation_id *generation, const model *m, const void *ann,
                   size_t ann_bytes, err *e) ERR_CHECKED;

/* model_get loads a ready generation. Without `with_h`, item_h is NULL: the builder of an index
 * streams it with model_h_read instead. Free with model_free. ERR_NOT_FOUND, ERR_CORRUPT. */
err_code model_get(store *s, uint32_t generation, bool with_h, model **out, err *e) ERR_CHECKED;

/* model_describe loads only the content of "meta": options, metrics, curve, sizes, and the
 * modalities' names and widths. Every table is NULL. Free with model_free. */
err_code model_describe(store *s, uint32_t generation, model **out, err *e) ERR_CHECKED;

/* model_ann_get reads the stored clustering. If there is none, it returns ERR_OK, and *out is NULL.
 * Free with mem_free. */
err_code model_ann_get(store *s, uint32_t generation, void **out, size_t *bytes,
                       err *e) ERR_CHECKED;

/* model_h_read fills rows of item_h. It is an index_read of core/search/index.h; ctx is a
 * model_h_source. */
typedef struct model_h_source {
    store *s;
    uint32_t generation;
    size_t dim;
} model_h_source;

err_code model_h_read(void *ctx, size_t first, size_t count, float *out, err *e) ERR_CHECKED;

#endif
