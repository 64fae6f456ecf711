/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/kth_reference.h"

#include <math.h>

float kth_reference(const float *numbers, size_t count, size_t k)
{
    float largest = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        size_t reach = 0;
        for (size_t j = 0; j < count; j++) {
            reach += numbers[j] >= numbers[i];
        }
        if (reach >= k && numbers[i] > largest) {
            largest = numbers[i];
        }
    }
    return largest;
}
