/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interaction_graph: the interactions as the operator A of the convolution.
 *
 * Users and items are stacked into one square matrix, A = [[0, R], [R^T, 0]], so that one loop
 * serves both directions. It is normalised symmetrically: a_ui = weight / sqrt(deg_u deg_i), where
 * a degree is a sum of weights (the number of pairs if all weights are 1). Item i is row users + i.
 */
#ifndef CORE_INTERACTION_GRAPH_H
#define CORE_INTERACTION_GRAPH_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/common/sparse.h"
#include "core/model/dataset.h"

/* The pairs of a graph, sorted by (user, item), unique. */
typedef struct interaction_list {
    const pair *pairs; /* (count) */
    size_t count, users, items;
} interaction_list;

/* interaction_graph_new builds A (users + items, users + items), with its rows divided among
 * `threads` threads. */
err_code interaction_graph_new(csr **out, const interaction_list *list, int threads,
                               err *e) ERR_CHECKED;

#endif
