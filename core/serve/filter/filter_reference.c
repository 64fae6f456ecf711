/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/filter/filter_reference.h"

#include <stdbool.h>

static bool in_range(const filter_range *range, uint64_t value)
{
    uint64_t high = range->low + range->width;
    bool wraps = high < range->low;
    return wraps ? value >= range->low || value <= high : value >= range->low && value <= high;
}

void filter_reference(const filter_range *range, const uint64_t *values, uint64_t *words,
                      size_t count)
{
    for (size_t row = 0; row < count * 64; row++) {
        if (!in_range(range, values[row])) {
            words[row / 64] &= ~(UINT64_C(1) << row % 64);
        }
    }
}
