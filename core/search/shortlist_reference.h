/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shortlist_reference: finds the k best of some scores by comparing each with all others.
 *
 * shortlist.c drops rows by a rising threshold and compares eight scores at once.
 * tests/unit/test_reference_lists.c checks that both return the same rows. Only tests call it.
 * Pure; thread-safe.
 */
#ifndef CORE_SHORTLIST_REFERENCE_H
#define CORE_SHORTLIST_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

/* shortlist_reference writes, ascending, the rows with a score above 0 for which fewer than k rows
 * are better, and returns their number. A row is better if its score is higher or, at the same
 * score, its number is lower. */
size_t shortlist_reference(const float *scores /* (count) */, size_t count, size_t k,
                           uint32_t *rows /* (k) */);

#endif
