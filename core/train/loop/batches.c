/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/batches.h"

#include "core/common/mem.h"
#include "core/common/types.h"

err_code batches_init(batches *b, const dataset *d, const csr *a, size_t size, err *e)
{
    *b = (batches){.d = d, .a = a, .size = size};
    b->order = mem_array(d->train_count, sizeof *b->order);
    b->users = mem_array(size, sizeof *b->users);
    b->positives = mem_array(size, sizeof *b->positives);
    b->negatives = mem_array(size, sizeof *b->negatives);
    if (b->order == NULL || b->users == NULL || b->positives == NULL || b->negatives == NULL) {
        return err_nomem(e, "the batches");
    }
    b->done = d->train_count;
    return ERR_OK;
}

void batches_fini(batches *b)
{
    mem_free(b->order);
    mem_free(b->users);
    mem_free(b->positives);
    mem_free(b->negatives);
    *b = (batches){0};
}

void batches_begin(batches *b, uint64_t seed, uint64_t epoch)
{
    rng_init(&b->random, seed, epoch);
    uint32_t count = (uint32_t)b->d->train_count;
    for (uint32_t k = 0; k < count; k++) {
        b->order[k] = k;
    }
    for (uint32_t k = count; k > 1; k--) {
        uint32_t other = rng_below(&b->random, k), here = b->order[k - 1];
        b->order[k - 1] = b->order[other];
        b->order[other] = here;
    }
    b->done = 0;
}

/* fetch_pairs prefetches what the pairs order[first ..] will read to draw their negatives. It lies
 * at random places in memory, and each draw would wait for it. */
static void fetch_pairs(batches *b, size_t first, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        const pair *p = &b->d->train[b->order[first + k]];
        b->users[k] = p->user;
        b->positives[k] = p->item;
        __builtin_prefetch(&b->a->start[p->user]);
    }
    for (size_t k = 0; k < count; k++) {
        __builtin_prefetch(&b->a->col[b->a->start[b->users[k]]]);
    }
}

/* draw_negatives draws a negative for each pair and returns the number of triples. */
static size_t draw_negatives(batches *b, size_t count)
{
    size_t drawn = 0;
    for (size_t k = 0; k < count; k++) {
        uint32_t user = b->users[k], positive = b->positives[k];
        uint32_t negative = bpr_negative(&b->random, b->a, b->d->users, user, b->d->gone);
        if (negative == ROW_NONE) {
            continue; /* a user who has every item has no negative */
        }
        b->users[drawn] = user;
        b->positives[drawn] = positive;
        b->negatives[drawn++] = negative;
    }
    return drawn;
}

bool batches_next(batches *b, bpr_batch *out)
{
    size_t left = b->d->train_count - b->done;
    size_t count = left < b->size ? left : b->size;
    if (count == 0) {
        return false;
    }
    fetch_pairs(b, b->done, count);
    b->done += count;
    *out = (bpr_batch){b->users, b->positives, b->negatives, draw_negatives(b, count)};
    return true;
}
