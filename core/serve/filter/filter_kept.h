/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_kept: a bitmap for each of an attribute's first values.
 *
 * Most attributes that are used in filters have few values: a brand, a colour, some tags, yes or
 * no. The first KEPT_MAX values of a column get one bitmap each, as categories do, and a filter for
 * such a value reads a bit per item instead of a word. The limit matters for attributes with a
 * different text for every item: the bitmaps never take more than four times the bits of the
 * column.
 *
 * Always true: a value has its bitmap from its first item on, or never. So while a column has fewer
 * than KEPT_MAX bitmaps, no item has a value without one. The bitmaps are stored among those of the
 * categories, under names that no category can have. They are part of a view like everything else
 * in it.
 */
#ifndef CORE_FILTER_KEPT_H
#define CORE_FILTER_KEPT_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/common/idmap.h"
#include "core/serve/state/view_tables.h"

enum { KEPT_MAX = 256 };

/* One value of one attribute: the interned name, and the value as column_values returns it. */
typedef struct kept_value {
    uint32_t name, value;
} kept_value;

/* kept_find returns the number of the value's bitmap in view.categories, or ROW_NONE if no view has
 * one. kept_intern assigns a number. Writer only. */
uint32_t kept_find(const idmap *strings, kept_value value);
err_code kept_intern(uint32_t *out, idmap *strings, kept_value value, err *e) ERR_CHECKED;

/* kept_bitmap borrows the value's bitmap in this view, or returns NULL if there is none. */
const pvec *kept_bitmap(const view *v, kept_value value);

#endif
