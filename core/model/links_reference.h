/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links_reference: computes the sums of a history's links and their factors in double precision.
 *
 * links_sum.c adds whole rows of links into one table and lists the items that it touched; links.c
 * computes the spread of a user's scores from a covariance. tests/unit/test_reference_lists.c
 * compares them with these sums over all items. Only tests call it. Pure; thread-safe.
 */
#ifndef CORE_LINKS_REFERENCE_H
#define CORE_LINKS_REFERENCE_H

#include <stddef.h>

#include "core/model/links.h"

/* links_sum_reference writes for each item and source the sum of pull * L(owned, item) over a
 * history that links_history prepared; 0 for a source whose beta is 0. */
void links_sum_reference(const item_links *l, const links_owned *owned, size_t count,
                         double *sum /* (l->items, LINKS_SOURCES) */);

/* links_factors_reference writes beta * spread_h / the standard deviation of the source's sums over
 * all items; 0 where that deviation is 0. */
void links_factors_reference(double factor[LINKS_SOURCES], const links_choice *c,
                             const double *sum /* (items, LINKS_SOURCES) */, size_t items,
                             double spread_h);

/* links_spread_reference is the standard deviation of <q, h_i> over the rows of h. */
double links_spread_reference(const float *h /* (rows, dim) */, size_t rows, size_t dim,
                              const float *q /* (dim) */);

#endif
