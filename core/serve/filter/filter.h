/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter: decides which items a list may contain.
 *
 * An item must meet all given conditions. The filter is evaluated exactly, for every item, before
 * the search. So a list is short only if no other items pass. A filter borrows its strings from the
 * request.
 */
#ifndef CORE_FILTER_H
#define CORE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/common/slice.h"
#include "core/serve/state/view.h"

/* One condition on an attribute: equality (a list attribute must contain the text), or a numeric
 * range whose bounds may be infinite. Items without the attribute, or with an attribute of another
 * kind, fail. */
typedef struct filter_attribute {
    slice name;
    attribute_kind kind; /* TEXT, BOOL: equality; NUMBER: low..high */
    slice text;
    bool truth;
    double low, high;                 /* inclusive unless excluded below */
    bool low_excluded, high_excluded; /* gt or lt instead of gte or lte */
} filter_attribute;

typedef struct filter {
    const slice *categories_any; /* the item must be in at least one of them, if any are given */
    size_t categories_any_count;
    const slice *categories_all;
    size_t categories_all_count;
    const slice *categories_none;
    size_t categories_none_count;
    bool has_created_after, has_created_before;
    int64_t created_after;  /* epoch seconds, inclusive */
    int64_t created_before; /* epoch seconds, exclusive */
    const filter_attribute *attributes;
    size_t attribute_count;
} filter;

#endif
