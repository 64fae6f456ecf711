/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_graph: the graph of items with similar content, as the operator S of BSC.
 *
 * Every modality contributes its items' nearest neighbours; an edge found by two modalities weighs
 * 2. W is symmetrised by max and normalised: S = D^-1/2 W D^-1/2 (docs/model.md, "Graphs").
 */
#ifndef CORE_ITEM_GRAPH_H
#define CORE_ITEM_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/sparse.h"

/* The neighbours by one modality: the first k of each row of a table (items, stride), ROW_NONE if
 * there are fewer. */
typedef struct neighbour_lists {
    const uint32_t *rows;
    size_t k;
    size_t stride; /* numbers from one row to the next; 0 means k */
} neighbour_lists;

/* item_graph_new builds S (items, items) from the lists of `count` modalities, with its rows
 * divided among `threads` threads. Without lists, S has no entries. */
err_code item_graph_new(csr **out, const neighbour_lists *lists, size_t count, size_t items,
                        int threads, err *e) ERR_CHECKED;

#endif
