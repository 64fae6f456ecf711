/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links_merge: adds the links of single items to a table of links.
 *
 * Two kinds of items have lists of their own (core/serve/state/coldstart.h): items that nobody had
 * taken when the links were computed, and items that were added later. A link in such a list holds
 * in both directions, so it also enters the row of the other item.
 *
 * A pure function.
 */
#ifndef CORE_LINKS_MERGE_H
#define CORE_LINKS_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/links.h"

/* The links of one item, ascending by target. */
typedef struct links_list {
    uint32_t item;
    const links_entry *entries; /* (count) borrowed */
    size_t count;
} links_list;

typedef struct links_merging {
    const links_table *table;
    size_t table_rows; /* number of rows in `table` */
    /* number of rows in the result, at least table_rows; links from or to higher rows are left
     * out */
    size_t rows;
    const links_list *lists; /* (count) lists of different items */
    size_t count;
} links_merging;

/* links_merge fills `out`, which must be empty. A list replaces every link from or to its item in
 * the table. If two lists contain each other's items, the stronger link counts. */
err_code links_merge(links_table *out, const links_merging *in, err *e) ERR_CHECKED;

#endif
