/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/kth.h"

#include <stdint.h>

#include "core/common/kernel.h"

void kth_init(kth *s, float *memory, size_t k)
{
    const uintptr_t vector = KTH_LANES * sizeof *memory;
    float *aligned = (float *)(((uintptr_t)memory + vector - 1) / vector * vector);
    *s = (kth){.memory = memory, .at = aligned + KTH_LANES, .k = k};
    s->at[-1] = INFINITY;
    for (size_t i = 0; i < kth_size(k) - 2 * KTH_LANES; i++) {
        s->at[i] = -INFINITY;
    }
}

typedef float values __attribute__((vector_size(4 * KTH_LANES)));
typedef int32_t lanes __attribute__((vector_size(4 * KTH_LANES)));

/* insert works from the back, so that every number is read before its new place is written. It
 * reads exactly the vectors that the previous push wrote, and shifts them by one lane in registers:
 * a read that spans two earlier writes would have to wait until both have reached the cache. */
KERNEL_CLONES static void insert(float *at, size_t k, float number)
{
    values entering = (values){0} + number;
    size_t i = (k - 1) / KTH_LANES * KTH_LANES;
    values here = *(const values *)(at + i);
    for (;; i -= KTH_LANES) {
        values before = *(const values *)(at + i - KTH_LANES);
        values moved = __builtin_shufflevector(before, here, 7, 8, 9, 10, 11, 12, 13, 14);
        lanes less = moved < entering;
        values lower = (values)((less & (lanes)moved) | (~less & (lanes)entering));
        lanes more = here > lower;
        *(values *)(at + i) = (values)((more & (lanes)here) | (~more & (lanes)lower));
        if (i == 0) {
            return;
        }
        here = before;
    }
}

static void sift_up(float *at, size_t place, float number)
{
    for (; place > 0 && at[(place - 1) / 2] > number; place = (place - 1) / 2) {
        at[place] = at[(place - 1) / 2];
    }
    at[place] = number;
}

static void sift_down(float *at, size_t count, float number)
{
    size_t place = 0;
    for (size_t child = 1; child < count; child = 2 * place + 1) {
        child += child + 1 < count && at[child + 1] < at[child];
        if (at[child] >= number) {
            break;
        }
        at[place] = at[child];
        place = child;
    }
    at[place] = number;
}

void kth_push(kth *s, float number)
{
    size_t before = s->count;
    s->count += before < s->k;
    if (s->k <= KTH_SORTED_MAX) {
        insert(s->at, s->k, number);
    } else if (before < s->k) {
        sift_up(s->at, before, number);
    } else if (number > s->at[0]) {
        sift_down(s->at, s->k, number);
    }
}
