/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baseline: simple recommenders that a model must beat to be useful.
 *
 * `popular` lists the items with the most training interactions. It scores nothing, so the lister
 * fills its lists (core/model/lister.h).
 *
 * `itemknn` is item-based collaborative filtering. The similarity of two items is the shrunk cosine
 * of their users, c_ij / (sqrt(n_i n_j) + BASELINE_SHRINKAGE). Each item keeps its
 * BASELINE_NEIGHBOURS nearest items. A user's score for an item is the sum of its similarities to
 * the user's training items. Without shrinkage, two items with the same single buyer would be as
 * similar as possible, and rare goods would fill the lists. Items that are no neighbour of any of
 * the user's items are unscored, so popular items follow.
 *
 * `content` lists the nearest items, by features, of each of the user's items: squared cosines,
 * summed over the modalities with their neighbours as weights (core/model/links_build.h).
 * `itemknn+content` sums both, each divided by its spread over the items. It needs no training and
 * is often better than models. core/train/eval/ease.h holds the dense baseline.
 *
 * All are listers for core/model/eval.h. Immutable after new.
 *
 * Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", 2004; shrinkage as in
 * Ferrari Dacrema, Cremonesi and Jannach, "Are We Really Making Much Progress?", 2019.
 */
#ifndef CORE_BASELINE_H
#define CORE_BASELINE_H

#include <stdbool.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"

enum { BASELINE_NEIGHBOURS = 200, BASELINE_SHRINKAGE = 100 };

typedef struct baseline baseline;

/* Both borrow `d` until they are freed. itemknn uses `threads` OpenMP threads. */
err_code baseline_popular_new(baseline **out, const dataset *d, err *e) ERR_CHECKED;
err_code baseline_itemknn_new(baseline **out, const dataset *d, int threads, err *e) ERR_CHECKED;
/* baseline_linked_new makes `content`, or with `itemknn` the sum of both. For a dataset without
 * features, content scores nothing. */
err_code baseline_linked_new(baseline **out, const dataset *d, bool itemknn, int threads,
                             err *e) ERR_CHECKED;
void baseline_free(baseline *b);

/* baseline_ask makes lists start from these pairs, sorted by (user, item), instead of the training
 * pairs that the baseline was made from. A user without training pairs still gets the popular list.
 * `pairs` is borrowed. */
err_code baseline_ask(baseline *b, const pair *pairs, size_t count, err *e) ERR_CHECKED;

/* baseline_lister borrows `b`. */
eval_lister baseline_lister(baseline *b);

/* baseline_similarity returns itemknn's similarity of two items, 0 if neither keeps the other, for
 * tests; 0 for popular. */
float baseline_similarity(const baseline *b, uint32_t i, uint32_t j);

#endif
