/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/spool.h"

void spools_init(spools *s, size_t count_max, uint64_t bytes_max)
{
    s->count_max = count_max;
    s->bytes_max = bytes_max;
    atomic_init(&s->count, 0);
    atomic_init(&s->bytes, 0);
}

err_code spools_begin(spools *s, spool_hold *out, err *e)
{
    if (atomic_fetch_add(&s->count, 1) >= s->count_max) {
        atomic_fetch_sub(&s->count, 1);
        return err_set(e, ERR_UNAVAILABLE,
                       "%zu exports are in progress, as many as allowed (exports_max)",
                       s->count_max);
    }
    *out = (spool_hold){.of = s};
    return ERR_OK;
}

err_code spools_grow(spool_hold *hold, uint64_t bytes, err *e)
{
    spools *s = hold->of;
    uint64_t before = atomic_fetch_add(&s->bytes, bytes);
    if (before + bytes <= s->bytes_max) {
        hold->bytes += bytes;
        return ERR_OK;
    }
    atomic_fetch_sub(&s->bytes, bytes);
    return err_set(e, hold->bytes + bytes > s->bytes_max ? ERR_TOO_LARGE : ERR_UNAVAILABLE,
                   "the files of all exports would take more than %llu bytes (spool_bytes_max)",
                   (unsigned long long)s->bytes_max);
}

void spools_end(spool_hold *hold)
{
    if (hold->of != NULL) {
        atomic_fetch_sub(&hold->of->bytes, hold->bytes);
        atomic_fetch_sub(&hold->of->count, 1);
        hold->of = NULL;
    }
}
