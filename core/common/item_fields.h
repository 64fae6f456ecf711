/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_fields: what a shop says about an item, as plain structs that every layer shares.
 *
 * The JSON of the API, the encoding of ops, the store's records and the live filters use the same
 * attributes and features. This is their one definition, with all limits. All structs borrow; the
 * function that returns one names the owner.
 */
#ifndef CORE_ITEM_FIELDS_H
#define CORE_ITEM_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/slice.h"

/* Limits that the store can always hold. The API may be configured to lower ones. */
enum {
    ID_BYTES_MAX = 256,
    TITLE_BYTES_MAX = 2048,
    DESCRIPTION_BYTES_MAX = 65536,
    CATEGORIES_MAX = 64,
    CATEGORY_BYTES_MAX = 256,
    ATTRIBUTES_MAX = 128,
    ATTRIBUTE_NAME_BYTES_MAX = 128,
    ATTRIBUTE_TEXT_BYTES_MAX = 4096,
    ATTRIBUTE_TEXTS_MAX = 64, /* entries of a list */
    MODALITIES_MAX = 32,
    MODALITY_NAME_BYTES_MAX = 64,
    FEATURE_WIDTH_MAX = 65536,
    INTERACTION_TYPES_MAX = 64,
    INTERACTION_TYPE_BYTES_MAX = 64,
};

/* The largest magnitude of a feature's number. The sum of FEATURE_WIDTH_MAX squares of such numbers
 * still fits single precision, in which lengths and cosines are computed. */
#define FEATURE_MAGNITUDE_MAX 1e15

/* Squares of smaller numbers are lost in single precision: the length and the cosines of a vector
 * without a larger number are mostly rounding errors. Such vectors are stored, and reported at
 * import. */
#define FEATURE_MAGNITUDE_MIN 1e-15

typedef enum attribute_kind {
    ATTRIBUTE_REMOVED = 0, /* only in a merge patch: remove the attribute */
    ATTRIBUTE_TEXT = 1,
    ATTRIBUTE_NUMBER = 2,
    ATTRIBUTE_BOOL = 3,
    ATTRIBUTE_TEXTS = 4, /* a list of strings; equality means "contains" */
} attribute_kind;

typedef struct attribute {
    slice name;
    attribute_kind kind;
    slice text;         /* ATTRIBUTE_TEXT */
    double number;      /* ATTRIBUTE_NUMBER, finite */
    bool truth;         /* ATTRIBUTE_BOOL */
    const slice *texts; /* ATTRIBUTE_TEXTS: (text_count) */
    uint32_t text_count;
} attribute;

typedef enum feature_dtype {
    FEATURE_F2 = 1, /* little-endian IEEE half */
    FEATURE_F4 = 2, /* little-endian IEEE single */
} feature_dtype;

/* One modality's vector of one item, as given. `data` has width * feature_dtype_bytes bytes, is not
 * necessarily aligned, and its numbers are finite. In a request they are within
 * FEATURE_MAGNITUDE_MAX; in a file or an older store they may be larger. data == NULL removes the
 * modality (in a put or a patch). */
typedef struct feature {
    slice modality;
    feature_dtype dtype;
    uint32_t width;
    const void *data;
    bool encoded; /* not given by a client: an encoder made it from the item's text */
} feature;

static inline size_t feature_dtype_bytes(feature_dtype dtype)
{
    return dtype == FEATURE_F2 ? 2 : 4;
}

#endif
