/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_reference: finds the items that reach a limit, one item at a time.
 *
 * reach.c does so for 32 items at once. tests/unit/test_reference_lists.c checks that both return
 * the same bits. Only tests call it. Pure; thread-safe.
 */
#ifndef CORE_REACH_REFERENCE_H
#define CORE_REACH_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

/* reach_find_reference has the contract of reach_find in core/serve/query/reach.h. */
size_t reach_find_reference(const float *x, size_t count, float base, float limit,
                            uint32_t *places /* (count) */);

#endif
