/* SPDX-License-Identifier: Apache-2.0 */
/* A fused product would differ from that of links_score in the last bit. */
#include "core/common/in_order.h"

#include "core/serve/query/reach.h"

#include "core/common/kernel.h"

enum { BLOCK = 4 * KERNEL_LANES };

typedef int32_t lanes __attribute__((vector_size(4 * KERNEL_LANES)));
typedef int64_t halves __attribute__((vector_size(4 * KERNEL_LANES)));

float reach_gather(const links_sum *s, const float factor[LINKS_SOURCES], const uint32_t *rows,
                   size_t count, float *adds)
{
    float largest = 0;
    for (size_t k = 0; k < count; k++) {
        adds[k] = links_sum_score(s, rows[k], 0, factor);
        largest = adds[k] > largest ? adds[k] : largest;
    }
    return largest;
}

static size_t find_some(const float *x, size_t first, size_t count, float base, float limit,
                        uint32_t *places)
{
    size_t found = 0;
    for (size_t i = first; i < first + count; i++) {
        places[found] = (uint32_t)i;
        found += base + x[i] >= limit;
    }
    return found;
}

KERNEL_CLONES
size_t reach_find(const float *x, size_t count, float base, float limit, uint32_t *places)
{
    size_t i = 0, found = 0;
    for (; i + BLOCK <= count; i += BLOCK) {
        lanes reaches = {0};
        for (size_t j = 0; j < BLOCK; j += KERNEL_LANES) {
            kernel_vec here = *(const kernel_vec_any *)(x + i + j);
            reaches |= here + base >= (kernel_vec){0} + limit;
        }
        halves any = (halves)reaches;
        if ((any[0] | any[1] | any[2] | any[3]) != 0) {
            found += find_some(x, i, BLOCK, base, limit, places + found);
        }
    }
    return found + find_some(x, i, count - i, base, limit, places + found);
}
