/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relink: builds the links of a new base, in the background (core/model/links.h).
 *
 * Collaborative links are built anew from the graph by the rule that training chose. Content links
 * are the generation's and those of later items, which until then were kept apart
 * (core/serve/state/later_links.h).
 */
#ifndef CORE_RELINK_H
#define CORE_RELINK_H

#include "core/common/err.h"
#include "core/model/interaction_graph.h"
#include "core/serve/state/base.h"
#include "core/serve/state/view.h"

/* relink fills b->links for b->items rows, from the view that the base is made of and its graph. It
 * does nothing for a generation without links. */
err_code relink(base *b, const view *v, const interaction_list *graph, int threads,
                err *e) ERR_CHECKED;

#endif
