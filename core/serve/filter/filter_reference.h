/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_reference: finds the rows whose value is in a range, one row at a time.
 *
 * filter_kernels.c compares 64 values at once, in three instruction sets.
 * tests/unit/test_reference_lists.c checks that each returns the same bits. Only tests call it.
 * Pure; thread-safe.
 */
#ifndef CORE_FILTER_REFERENCE_H
#define CORE_FILTER_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "core/serve/filter/filter_kernels.h"

/* filter_reference does what filter_keep does: it clears the bits of rows whose value is not in
 * low .. low + width, where the range may wrap around at 2^64. */
void filter_reference(const filter_range *range, const uint64_t *values /* (count * 64) */,
                      uint64_t *words /* (count) */, size_t count);

#endif
