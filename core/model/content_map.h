/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content_map: which features go together in histories, as a map W between features.
 *
 * Two items that are alike are not always taken by the same user, and a phone goes with a case that
 * is nothing like it. x_j' W x_i says how well item i fits a history with item j, by the features
 * alone, so it holds for an item that nobody has taken. W has a closed form:
 *
 *     W = (X'GX + a I)^-1 (X'GX - X' diag(G) X) (X'X + b I)^-1
 *
 * X are the items' features, of each modality at length 1 and folded to its width, side by side.
 * G = R'R, R being the interactions with each user's row divided by the root of its number. It is
 * the ridge estimate of R from the features of both sides, with an item's own share taken out.
 *
 * A content link of a new item has the map's positive part beside the squared cosine
 * (core/model/links.h):  L(j, i) = sum_m weight_m max(0, cos_m)^2 + max(0, x_j' W x_i). W is stored
 * in that unit: its positive part is `share` times as strong as the squared cosines, in root mean
 * square over pairs of items.
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
    CONTENT_WIDTH_MAX = 512,     /* of one modality, folded */
    CONTENT_MAP_WIDTH_MAX = 1024 /* of all together; beyond there is no map */
};

/* content_width is how wide a modality's features of `width` numbers are kept for `items`: so that
 * the table stays within some memory. content_fold writes a row of them, at length 1, by a count
 * sketch, which keeps inner products on average; false for all zeros. */
size_t content_width(size_t width, size_t items);
int content_fold(const float *features, size_t width, float *out, size_t out_width);

typedef struct content_map {
    size_t width; /* the sum of the modalities' widths */
    float *w;     /* (width, width) */
} content_map;

/* What a map is fitted to. */
typedef struct content_map_input {
    const float
        *x; /* (items, width) the modalities' rows side by side; zeros where one is missing */
    size_t items, width;
    const pair *pairs; /* (pair_count) sorted by user */
    size_t pair_count;
    size_t modality_count;
    size_t widths[MODALITIES_MAX];
    float weight[MODALITIES_MAX]; /* of each modality's squared cosine in a link */
    float share;                  /* above 0: of the map in a link, beside 1 of the cosines */
} content_map_input;

/* content_map_fit makes the map; *out stays NULL where the features say nothing. Takes time for
 * (users + 2 items) width^2 operations. */
err_code content_map_fit(content_map **out, const content_map_input *in, err *e) ERR_CHECKED;
void content_map_free(content_map *m); /* accepts NULL */

#endif
