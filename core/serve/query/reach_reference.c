/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/query/reach_reference.h"

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
