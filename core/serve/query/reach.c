/* SPDX-License-Identifier: Apache-2.0 */
/* A fused product would differ from that of links_score in the last bit. */
#include "core/common/in_order.h"

#include "core/serve/query/reach.h"

#include "core/common/kernel.h"

enum { BLOCK = 4 * KERNEL_LANES };

typedef int32_t lanes __attribute__((vector_size(4 * KERNEL_LANES)));
typedef int64_t halves __attribute__((vector_size(4 * KERNEL_LANES)));

KERNEL_CLONES
float reach_add(const links_sum *s, const float factor[LINKS_SOURCES], float *adds)
{
    const float a = factor[LINKS_COLLABORATIVE], c = factor[LINKS_CONTENT];
    const float *together = s->listed[LINKS_COLLABORATIVE], *alike = s->listed[LINKS_CONTENT];
    /* for numbers that are not negative, the order of their bits is their own order */
    lanes most = {0};
    size_t k = 0;
    for (; k + KERNEL_LANES <= s->count; k += KERNEL_LANES) {
        kernel_vec sum =
            a * *(const kernel_vec_any *)(together + k) + c * *(const kernel_vec_any *)(alike + k);
        *(kernel_vec_any *)(adds + k) = sum;
        lanes more = (lanes)sum > most;
        most = (more & (lanes)sum) | (~more & most);
    }
    kernel_vec found = (kernel_vec)most;
    float largest = 0;
    for (size_t j = 0; j < KERNEL_LANES; j++) {
        largest = found[j] > largest ? found[j] : largest;
    }
    for (; k < s->count; k++) {
        adds[k] = a * together[k] + c * alike[k];
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
