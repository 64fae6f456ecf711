/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kth_reference: the k-th largest of some numbers, by counting.
 *
 * kth.c keeps the largest in order while numbers arrive, in vector registers or in a heap, and
 * shortlist.c finds a k-th largest score by bisection. tests/unit/test_reference_lists.c compares
 * them with this. Only tests call it. Pure; thread-safe.
 */
#ifndef CORE_KTH_REFERENCE_H
#define CORE_KTH_REFERENCE_H

#include <stddef.h>

/* kth_reference returns the largest number that at least k (>= 1) of the numbers reach, -inf if
 * there are fewer. */
float kth_reference(const float *numbers /* (count) */, size_t count, size_t k);

#endif
