/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fit_map: fits the map between features that later items need (core/model/content_map.h).
 *
 * It is fitted at the end of training, to the interactions of every split. The map replaces the
 * collaborative links that a later item lacks, so it gets their weight: its share beside the
 * content links is the ratio of the two betas, between FIT_MAP_SHARE_MIN and FIT_MAP_SHARE_MAX. No
 * map is made for a model without content links, or if the features together are wider than
 * CONTENT_MAP_WIDTH_MAX or have more than FIT_MAP_FLOATS_MAX numbers.
 */
#ifndef CORE_FIT_MAP_H
#define CORE_FIT_MAP_H

#include "core/common/err.h"
#include "core/model/model.h"

#define FIT_MAP_FLOATS_MAX ((size_t)64 << 20)
#define FIT_MAP_SHARE_MIN  0.5F
#define FIT_MAP_SHARE_MAX  5.0F

/* fit_map_share returns the map's share under this choice, whose beta of content links is above
 * 0. */
float fit_map_share(const links_choice *c);

/* fit_map_width returns the width of the map for features of these widths, or 0 if there is no
 * map. */
size_t fit_map_width(const size_t *widths, size_t modality_count, size_t items);

/* fit_map_bytes returns the most memory that fitting needs for features of these widths, including
 * the map, or 0 if there is no map. */
size_t fit_map_bytes(const size_t *widths, size_t modality_count, size_t items);

/* fit_map sets m->map from the features of `d` and `count` pairs, sorted by user. */
err_code fit_map(model *m, const dataset *d, const pair *pairs, size_t count, err *e) ERR_CHECKED;

#endif
