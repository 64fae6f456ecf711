/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baseline: the two recommenders that any model must beat before it is worth its electricity.
 *
 * `popular` lists the items with the most training interactions: it scores nothing, so the lister
 * fills its lists (core/model/lister.h). `itemknn` is item-based
 * collaborative filtering: items are alike by the cosine of their users, shrunk where few speak for
 * it, c_ij / (sqrt(n_i n_j) + BASELINE_SHRINKAGE); each keeps its BASELINE_NEIGHBOURS nearest, and
 * a user's score for an item is the sum of its likeness to their training items. Without shrinkage
 * two items of one and the same buyer are as alike as can be, and rare goods fill the lists. Items
 * that are neighbours of none of a user's items are unscored: popular ones follow.
 * Both are listers for core/model/eval.h. Immutable after new.
 *
 * Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", 2004; shrinkage as in
 * Ferrari Dacrema, Cremonesi and Jannach, "Are We Really Making Much Progress?", 2019.
 */
#ifndef CORE_BASELINE_H
#define CORE_BASELINE_H

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"

enum { BASELINE_NEIGHBOURS = 200, BASELINE_SHRINKAGE = 100 };

typedef struct baseline baseline;

/* Both borrow `d` until they are freed. itemknn runs on `threads` OpenMP threads. */
err_code baseline_popular_new(baseline **out, const dataset *d, err *e) ERR_CHECKED;
err_code baseline_itemknn_new(baseline **out, const dataset *d, int threads, err *e) ERR_CHECKED;
void baseline_free(baseline *b);

/* baseline_lister borrows `b`. */
eval_lister baseline_lister(baseline *b);

/* baseline_similarity is itemknn's likeness of two items (0 if neither keeps the other), for tests
 * of what the parts of a score mean; 0 for popular. */
float baseline_similarity(const baseline *b, uint32_t i, uint32_t j);

#endif
