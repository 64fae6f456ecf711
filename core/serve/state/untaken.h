/* SPDX-License-Identifier: Apache-2.0 */
/*
 * untaken: places items that nobody has taken in a trained model as the service places new items.
 *
 * Training learns nothing of such an item but what its neighbours' gradients leave in its row of E.
 * A service gives a new item more from the same features: a row of E from its nearest items, and
 * links that a map between features adds to (core/serve/state/coldstart.h). So a training ends by
 * giving its untaken items the same, made of the items that somebody has taken, and a new item
 * keeps its place when the next generation comes.
 *
 * The lift of a new item's score (core/model/links.h) is kept in the tables: row and links are
 * multiplied by it. It does not fade before the next training.
 *
 * One thread calls; it uses the model's options.threads.
 */
#ifndef CORE_UNTAKEN_H
#define CORE_UNTAKEN_H

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/interaction_graph.h"
#include "core/model/model.h"

/* untaken_place changes the rows of E and the content links of the items that have features in `d`
 * and no pair in `taken`. Links change only where the model has content links; beyond
 * UNTAKEN_LINKS_MAX of all items together each keeps fewer, down to LINKS_KEPT_CONTENT. H and G are
 * then due anew. *placed is how many items there were. A model without modalities stays as it is.
 */
enum { UNTAKEN_LINKS_MAX = 1 << 24 };
err_code untaken_place(model *m, const dataset *d, const interaction_list *taken, size_t *placed,
                       err *e) ERR_CHECKED;

#endif
