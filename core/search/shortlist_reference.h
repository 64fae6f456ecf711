/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shortlist_reference: the k best of some scores, by comparing each with all.
 *
 * shortlist.c drops rows by a rising threshold and looks at eight scores at once.
 * tests/unit/test_reference_lists.c demands the same rows of both. Only tests call it. Pure;
 * thread-safe.
 */
#ifndef CORE_SHORTLIST_REFERENCE_H
#define CORE_SHORTLIST_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

/* shortlist_reference writes the rows whose score is above 0 and than which fewer than k rows are
 * better, ascending, and returns how many there are. A row is better by a higher score or, at the
 * same score, by a lower number. */
size_t shortlist_reference(const float *scores /* (count) */, size_t count, size_t k,
                           uint32_t *rows /* (k) */);

#endif
