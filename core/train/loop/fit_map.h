/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fit_map: the map between features that a trained model hands to later items
 * (core/model/content_map.h).
 *
 * It is fitted at the end of a training, to the interactions of every split. What it says stands in
 * for the collaborative links that a later item lacks, so it has their weight: its share beside the
 * content links is that of the two betas, within FIT_MAP_SHARE_MIN and MAX. A model without
 * content links has none, and neither has one whose features together are wider than
 * CONTENT_MAP_WIDTH_MAX or larger than FIT_MAP_FLOATS_MAX numbers.
 */
#ifndef CORE_FIT_MAP_H
#define CORE_FIT_MAP_H

#include "core/common/err.h"
#include "core/model/model.h"

#define FIT_MAP_FLOATS_MAX ((size_t)64 << 20)
#define FIT_MAP_SHARE_MIN  0.5F
#define FIT_MAP_SHARE_MAX  5.0F

/* fit_map_share is the map's share under this choice, whose beta of content links is above 0. */
float fit_map_share(const links_choice *c);

/* fit_map sets m->map from the features of `d` and `count` pairs, sorted by user. */
err_code fit_map(model *m, const dataset *d, const pair *pairs, size_t count, err *e) ERR_CHECKED;

#endif
