/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_bits: evaluates a filter into a bitmap of the items that pass, before the search.
 */
#ifndef CORE_FILTER_BITS_H
#define CORE_FILTER_BITS_H

#include "core/serve/filter/filter.h"
#include "core/serve/state/view_tables.h"

/* filter_bits writes, for every item row of the view, whether the item may be listed (it exists and
 * is not hidden) and passes the filter. A NULL filter passes every item. `words` has room for
 * filter_words(view) words. */
void filter_bits(const view *v, const filter *f, uint64_t *words);

/* filter_words is a whole number of leaves, so that bitmaps can be combined leaf by leaf. */
size_t filter_words(const view *v);

#endif
