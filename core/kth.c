#include "core/kth.h"

#include "core/kernel.h"

void kth_init(kth *s, float *memory, size_t k)
{
    *s = (kth){.memory = memory, .at = memory + KTH_LANES, .k = k};
    s->at[-1] = INFINITY;
    for (size_t i = 0; i < kth_size(k) - KTH_LANES; i++) {
        s->at[i] = -INFINITY;
    }
}

typedef int32_t mask __attribute__((vector_size(64)));

/* pick is a where m, else b. */
KERNEL_INLINE void pick(kernel_vec *out, const mask *m, const kernel_vec *a, const kernel_vec *b)
{
    *out = (kernel_vec)((*m & (mask)*a) | (~*m & (mask)*b));
}

/* From the back, so that every number is read before the one it moves to is written. */
KERNEL_CLONES static void insert(float *at, size_t k, float number)
{
    const kernel_vec all = number - (kernel_vec){0};
    for (size_t i = (k + KTH_LANES - 1) / KTH_LANES * KTH_LANES; i > 0; i -= KTH_LANES) {
        kernel_vec here = *(const kernel_vec_any *)(at + i - KTH_LANES);
        kernel_vec lower = *(const kernel_vec_any *)(at + i - KTH_LANES - 1);
        mask smaller = lower < all;
        pick(&lower, &smaller, &lower, &all);
        mask stays = here > lower;
        pick(&here, &stays, &here, &lower);
        *(kernel_vec_any *)(at + i - KTH_LANES) = here;
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
