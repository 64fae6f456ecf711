/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_kept: bitmaps of an attribute's first values.
 *
 * Most attributes that shops filter by have few values: a brand, a colour, some tags, yes or no.
 * The first KEPT_MAX values that a column sees get a bitmap each, as a category has, and a filter
 * for one of them reads a bit an item in place of a word. An attribute with a text of its own for
 * every item stops there, so the bitmaps never hold more than four times the column's bits.
 *
 * Always true: a value has its bitmap from its first item on, or never. So as long as a column has
 * fewer than KEPT_MAX, a value without one is nobody's. Bitmaps lie among those of the categories,
 * under a name that no category can have; they are part of a view like everything else in it.
 */
#ifndef CORE_FILTER_KEPT_H
#define CORE_FILTER_KEPT_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/common/idmap.h"
#include "core/serve/state/view_tables.h"

enum { KEPT_MAX = 256 };

/* One value of one attribute: interned name, and value as column_values gives it. */
typedef struct kept_value {
    uint32_t name, value;
} kept_value;

/* kept_find gives the number of the value's bitmap in view.categories, ROW_NONE if it has none in
 * any view; kept_intern gives it one. Writer only. */
uint32_t kept_find(const idmap *strings, kept_value value);
err_code kept_intern(uint32_t *out, idmap *strings, kept_value value, err *e) ERR_CHECKED;

/* kept_bitmap borrows the bitmap that the value has in this view, NULL if it has none. */
const pvec *kept_bitmap(const view *v, kept_value value);

#endif
