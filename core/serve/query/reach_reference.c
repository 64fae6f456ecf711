/* SPDX-License-Identifier: Apache-2.0 */
/* A fused product would differ from links_score's in the last bit. */
#include "core/common/in_order.h"

#include "core/serve/query/reach_reference.h"

float reach_add_reference(const links_sum *s, const float factor[LINKS_SOURCES], float *adds)
{
    float largest = 0;
    for (size_t k = 0; k < s->count; k++) {
        const float part[LINKS_SOURCES] = {s->listed[LINKS_COLLABORATIVE][k],
                                           s->listed[LINKS_CONTENT][k]};
        adds[k] = links_score(0, part, factor);
        largest = adds[k] > largest ? adds[k] : largest;
    }
    return largest;
}

size_t reach_find_reference(const float *x, size_t count, float base, float limit, uint32_t *places)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (base + x[i] >= limit) {
            places[found++] = (uint32_t)i;
        }
    }
    return found;
}
