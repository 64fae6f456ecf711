#include "core/search/kth.h"

#include <string.h>

#include "core/common/kernel.h"

void kth_init(kth *s, float *memory, size_t k)
{
    *s = (kth){.memory = memory, .at = memory + KTH_LANES, .k = k};
    s->at[-1] = INFINITY;
    for (size_t i = 0; i < kth_size(k) - KTH_LANES; i++) {
        s->at[i] = -INFINITY;
    }
}

/* From the back, so that every number is read before the one it moves to is written; through a
 * copy, so that the compiler sees it too and takes the vector minimum and maximum. */
KERNEL_CLONES static void insert(float *at, size_t k, float number)
{
    for (size_t i = (k + KTH_LANES - 1) / KTH_LANES * KTH_LANES; i > 0; i -= KTH_LANES) {
        float *here = at + i - KTH_LANES;
        float before[KTH_LANES];
        memcpy(before, here - 1, sizeof before);
#pragma GCC unroll 1
        for (size_t j = 0; j < KTH_LANES; j++) {
            float lower = before[j] < number ? before[j] : number;
            here[j] = here[j] > lower ? here[j] : lower;
        }
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
