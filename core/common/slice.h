/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slice: bytes owned by others, as pointer and length.
 *
 * Ids and titles are UTF-8 with any content, so no code relies on a closing NUL. A slice is two
 * words and is passed by value. A function that returns a slice says how long its bytes stay valid.
 * {NULL, 0} means "absent" where that differs from an empty string.
 */
#ifndef CORE_SLICE_H
#define CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct slice {
    const char *at;
    size_t length;
} slice;

/* slice_of borrows the NUL-terminated string; slice_of(NULL) is absent. */
static inline slice slice_of(const char *string)
{
    slice s = {string, string != NULL ? strlen(string) : 0};
    return s;
}

static inline bool slice_equal(slice a, slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* slice_compare orders like memcmp; a prefix comes first. */
static inline int slice_compare(slice a, slice b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter > 0 ? memcmp(a.at, b.at, shorter) : 0;
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

#endif
