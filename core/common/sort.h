/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sort: qsort that accepts an empty list.
 *
 * The C library's qsort must not get a null pointer, even with a count of 0, and a list that never
 * had an entry has no memory. All sorting goes through this function; a lint checks that.
 */
#ifndef CORE_SORT_H
#define CORE_SORT_H

#include <stddef.h>
#include <stdlib.h>

/* sort_array sorts `count` elements of `bytes` each, as qsort does; `list` may be NULL if count is
 * 0. Not stable. */
static inline void sort_array(void *list, size_t count, size_t bytes,
                              int (*compare)(const void *, const void *))
{
    if (count > 1) {
        qsort(list, count, bytes, compare);
    }
}

#endif
