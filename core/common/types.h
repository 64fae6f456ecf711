/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types: the plain types that all numerical code shares.
 *
 * Users and items are dense uint32 rows, assigned in order and never reused: an id that is deleted
 * and comes back gets a new row. ROW_NONE stands for no row.
 */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include <stdint.h>

#define ROW_NONE UINT32_MAX

/* One interaction record as the live tables keep it: 16 bytes, lists sorted by (item, type). */
typedef struct live_edge {
    uint32_t item; /* row */
    float weight;
    uint32_t time; /* epoch seconds, clamped to the range */
    uint8_t type;  /* number in the store's registry */
    uint8_t split; /* 0 train, 1 validation, 2 test */
    uint8_t flags; /* EDGE_IN_GRAPH, EDGE_SEEN of core/common/change.h */
    uint8_t pad;
} live_edge;

static inline uint32_t live_edge_time(int64_t seconds)
{
    return seconds < 0 ? 0 : seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
}

#endif
