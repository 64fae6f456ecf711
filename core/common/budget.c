/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/budget.h"

void budget_init(budget *b, uint64_t most)
{
    b->most = most;
    b->most_of_caller = most - most / 4;
    atomic_init(&b->taken, 0);
    for (unsigned i = 0; i < BUDGET_CALLERS; i++) {
        atomic_init(&b->taken_by[i], 0);
    }
}

/* add adds the bytes first and subtracts them again if they were too many, so that two callers
 * cannot both get the last bytes. */
static bool add(atomic_uint_fast64_t *to, uint64_t bytes, uint64_t most)
{
    uint64_t before = atomic_fetch_add_explicit(to, bytes, memory_order_relaxed);
    if (bytes <= most && before <= most - bytes) {
        return true;
    }
    atomic_fetch_sub_explicit(to, bytes, memory_order_relaxed);
    return false;
}

bool budget_take(budget *b, uint64_t caller, uint64_t bytes)
{
    atomic_uint_fast64_t *own = &b->taken_by[caller % BUDGET_CALLERS];
    if (!add(own, bytes, b->most_of_caller)) {
        return false;
    }
    if (!add(&b->taken, bytes, b->most)) {
        atomic_fetch_sub_explicit(own, bytes, memory_order_relaxed);
        return false;
    }
    return true;
}

void budget_give(budget *b, uint64_t caller, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&b->taken_by[caller % BUDGET_CALLERS], bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&b->taken, bytes, memory_order_relaxed);
}

uint64_t budget_taken(const budget *b)
{
    return atomic_load_explicit(&b->taken, memory_order_relaxed);
}
