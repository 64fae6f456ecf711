/* SPDX-License-Identifier: Apache-2.0 */
/*
 * untaken: places items that nobody has taken in a trained model as the service places new items.
 *
 * Training learns nothing about such an item; its row of E holds only what the gradients of its
 * neighbours left there. A service gives a new item more from the same features: a row of E from
 * its nearest items, and links from a map between features (core/serve/state/coldstart.h). So a
 * training ends by giving its untaken items the same, computed from the items that somebody has
 * taken. A new item then keeps its place when the next generation is activated.
 *
 * The lift of an untaken item's score (core/model/links.h) is stored in the tables: its row and its
 * links are multiplied by it. It does not fade before the next training.
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
 * and no pair in `taken`. Links change only if the model has content links. If all items together
 * would have more than UNTAKEN_LINKS_MAX, each keeps fewer, but at least LINKS_KEPT_CONTENT. The
 * caller must then compute H and G again. *placed is the number of these items. A model without
 * modalities does not change. */
enum { UNTAKEN_LINKS_MAX = 1 << 24 };
err_code untaken_place(model *m, const dataset *d, const interaction_list *taken, size_t *placed,
                       err *e) ERR_CHECKED;

#endif
