/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content_map: which features occur together in histories, as a linear map W between features.
 *
 * A user does not always take similar items: a phone goes with a case, which is nothing like it.
 * x_j' W x_i says how well item i fits a history that contains item j. It uses features alone, so
 * it works for an item that nobody has taken yet. W has a closed form:
 *
 *     W = (X'GX + a I)^-1 (X'GX - X' diag(G) X) (X'X + b I)^-1
 *
 * The rows of X are the items' features: each modality is scaled to length 1 and folded to its
 * width, and the modalities are placed side by side. G = R'R, where R holds the interactions and
 * each user's row is divided by the root of its number of items. W is the ridge estimate of R from
 * the features of both sides, without each item's own share.
 *
 * A content link of a new item is the squared cosine plus the positive part of the map
 * (core/model/links.h):  L(j, i) = sum_m weight_m max(0, cos_m)^2 + max(0, x_j' W x_i). W is stored
 * in that unit: the root mean square of its positive part over pairs of items is `share` times that
 * of the squared cosines.
 *
 * Pure functions; immutable once made.
 */
#ifndef CORE_CONTENT_MAP_H
#define CORE_CONTENT_MAP_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/model/dataset.h"

enum {
    CONTENT_WIDTH_MAX = 512, /* largest width of one modality, after folding */
    /* largest width of all modalities together; wider features get no map */
    CONTENT_MAP_WIDTH_MAX = 1024
};

/* content_width returns the width to which a modality's features of `width` numbers are folded for
 * `items` items, so that the table fits into memory. content_fold writes one row of length 1. It
 * folds by a count sketch, which keeps inner products on average. It returns false if all numbers
 * are zero. */
size_t content_width(size_t width, size_t items);
int content_fold(const float *features, size_t width, float *out, size_t out_width);

typedef struct content_map {
    size_t width; /* sum of the modalities' widths */
    float *w;     /* (width, width) */
} content_map;

/* The data that a map is fitted to. */
typedef struct content_map_input {
    const float
        *x; /* (items, width) the modalities' rows side by side; zeros where one is missing */
    size_t items, width;
    const pair *pairs; /* (pair_count) sorted by user */
    size_t pair_count;
    size_t modality_count;
    size_t widths[MODALITIES_MAX];
    float weight[MODALITIES_MAX]; /* weight of each modality's squared cosine in a link */
    /* > 0: strength of the map in a link, where that of the cosines is 1 */
    float share;
} content_map_input;

/* content_map_fit makes the map. *out stays NULL if the features say nothing. It takes about (users
 * + 2 items) width^2 operations. */
err_code content_map_fit(content_map **out, const content_map_input *in, err *e) ERR_CHECKED;
void content_map_free(content_map *m); /* accepts NULL */

/* content_map_bytes returns the memory that content_map_fit needs, including the map and excluding
 * x. */
size_t content_map_bytes(size_t width, size_t items);

#endif
