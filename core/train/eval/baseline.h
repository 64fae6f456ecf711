/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baseline: simple recommenders that a model must beat to be useful.
 *
 * `popular` lists the items with the most training interactions: it scores nothing, so the lister
 * fills its lists (core/model/lister.h). `itemknn` is item-based
 * collaborative filtering: items are alike by the cosine of their users, shrunk where few users
 * support it, c_ij / (sqrt(n_i n_j) + BASELINE_SHRINKAGE); each keeps its BASELINE_NEIGHBOURS
 * nearest, and a user's score for an item is the sum of its likeness to their training items.
 * Without shrinkage two items of one and the same buyer are as alike as can be, and rare goods fill
 * the lists. Items that are neighbours of none of a user's items are unscored: popular ones follow.
 *
 * `content` lists by the nearest of each of the user's items by features: squared cosines, summed
 * over the modalities with their neighbours as weights (core/model/links_build.h).
 * `itemknn+content` sums both, each divided by its spread over the items: no training at all, and
 * often ahead of models. core/train/eval/ease.h is the dense one.
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

/* Both borrow `d` until they are freed. itemknn runs on `threads` OpenMP threads. */
err_code baseline_popular_new(baseline **out, const dataset *d, err *e) ERR_CHECKED;
err_code baseline_itemknn_new(baseline **out, const dataset *d, int threads, err *e) ERR_CHECKED;
/* content, or with `itemknn` the sum of both. A dataset without features gives nothing by content.
 */
err_code baseline_linked_new(baseline **out, const dataset *d, bool itemknn, int threads,
                             err *e) ERR_CHECKED;
void baseline_free(baseline *b);

/* baseline_ask has lists start from these pairs, sorted by (user, item), in place of the users'
 * training pairs, from which the baseline has been made. A user without a training pair still gets
 * the popular list. Borrows `pairs`. */
err_code baseline_ask(baseline *b, const pair *pairs, size_t count, err *e) ERR_CHECKED;

/* baseline_lister borrows `b`. */
eval_lister baseline_lister(baseline *b);

/* baseline_similarity is itemknn's likeness of two items (0 if neither keeps the other), for tests
 * of what the parts of a score mean; 0 for popular. */
float baseline_similarity(const baseline *b, uint32_t i, uint32_t j);

#endif
