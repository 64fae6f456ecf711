/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/bpr.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/common/types.h"
#include "core/model/fsc_pass.h"

err_code bpr_new(bpr **out, size_t users, size_t items, size_t dim, size_t batch_max, err *e)
{
    *out = NULL;
    bpr *b = mem_array(1, sizeof *b);
    if (b == NULL) {
        return err_nomem(e, "the loss");
    }
    *b = (bpr){.users = users, .items = items, .dim = dim, .batch_max = batch_max, .threads = 1};
    size_t slots = 3 * batch_max;
    err_code code = csr_new(&b->c, slots, slots, 4 * batch_max, e);
    if (code != ERR_OK) {
        bpr_free(b);
        return code;
    }
    b->row = mem_array(slots, sizeof *b->row);
    b->slot_of = mem_array(users + items, sizeof *b->slot_of);
    b->triple = mem_array(slots, sizeof *b->triple);
    b->place = mem_array(4 * batch_max, sizeof *b->place);
    b->h = mem_table(slots * dim, sizeof *b->h);
    b->g = mem_table(slots * dim, sizeof *b->g);
    b->loss = mem_array(batch_max, sizeof *b->loss);
    b->zero = mem_table(dim, sizeof *b->zero);
    if (b->row == NULL || b->slot_of == NULL || b->triple == NULL || b->place == NULL ||
        b->h == NULL || b->g == NULL || b->loss == NULL || b->zero == NULL) {
        bpr_free(b);
        return err_nomem(e, "the loss");
    }
    memset(b->slot_of, 0xff, (users + items) * sizeof *b->slot_of);
    *out = b;
    return ERR_OK;
}

void bpr_free(bpr *b)
{
    if (b == NULL) {
        return;
    }
    mem_free(b->row);
    mem_free(b->slot_of);
    mem_free(b->triple);
    mem_free(b->place);
    mem_free(b->h);
    mem_free(b->g);
    mem_free(b->loss);
    mem_free(b->zero);
    csr_free(b->c);
    mem_free(b);
}

static uint32_t slot(bpr *b, size_t row)
{
    if (b->slot_of[row] == FSC_NO_SLOT) {
        b->slot_of[row] = (uint32_t)b->slots;
        b->row[b->slots++] = (uint32_t)row;
    }
    return b->slot_of[row];
}

/* pattern sets the non-zero places of C: row u has (p, +) and (n, -), rows p and n have u. */
static void pattern(bpr *b)
{
    csr *c = b->c;
    memset(c->start, 0, (b->slots + 1) * sizeof *c->start);
    for (size_t k = 0; k < b->count; k++) {
        const uint32_t *t = b->triple + 3 * k;
        c->start[t[0] + 1] += 2;
        c->start[t[1] + 1] += 1;
        c->start[t[2] + 1] += 1;
    }
    for (size_t s = 0; s < b->slots; s++) {
        c->start[s + 1] += c->start[s];
    }
    for (size_t k = 0; k < b->count; k++) {
        const uint32_t *t = b->triple + 3 * k;
        uint32_t *place = b->place + 4 * k;
        const uint32_t row[4] = {t[0], t[0], t[1], t[2]};
        const uint32_t col[4] = {t[1], t[2], t[0], t[0]};
        for (int i = 0; i < 4; i++) {
            place[i] = (uint32_t)c->start[row[i]]++;
            c->col[place[i]] = col[i];
        }
    }
    for (size_t s = b->slots; s > 0; s--) {
        c->start[s] = c->start[s - 1];
    }
    c->start[0] = 0;
}

void bpr_begin(bpr *b, const bpr_batch *batch)
{
    assert(batch->count > 0 && batch->count <= b->batch_max);
    b->count = batch->count;
    b->slots = 0;
    for (size_t k = 0; k < batch->count; k++) {
        b->triple[3 * k] = slot(b, batch->users[k]);
    }
    b->user_slots = b->slots;
    for (size_t k = 0; k < batch->count; k++) {
        uint32_t *t = b->triple + 3 * k;
        t[1] = slot(b, b->users + batch->positives[k]);
        t[2] = slot(b, b->users + batch->negatives[k]);
    }
    pattern(b);
}

void bpr_end(bpr *b)
{
    for (size_t s = 0; s < b->slots; s++) {
        b->slot_of[b->row[s]] = FSC_NO_SLOT;
    }
    b->slots = 0;
}

KERNEL_INLINE float margin(const float *u, const float *p, const float *n, size_t dim)
{
    kernel_vec sum = {0};
    for (size_t j = 0; j < dim; j += KERNEL_LANES) {
        size_t lanes = dim - j < KERNEL_LANES ? dim - j : KERNEL_LANES;
        kernel_vec a, b, c;
        kernel_load(&a, u + j, lanes);
        kernel_load(&b, p + j, lanes);
        kernel_load(&c, n + j, lanes);
        sum += a * (b - c);
    }
    float total = 0;
    for (int i = 0; i < KERNEL_LANES; i++) {
        total += sum[i];
    }
    return total;
}

KERNEL_CLONES
static void losses(bpr *b, size_t first, size_t last)
{
    for (size_t k = first; k < last; k++) {
        const uint32_t *t = b->triple + 3 * k;
        float s = margin(b->h + t[0] * b->dim, b->h + t[1] * b->dim, b->h + t[2] * b->dim, b->dim);
        /* softplus(-s) and its derivative, without overflow for large |s|. */
        float tail = expf(-fabsf(s));
        b->loss[k] = (s > 0 ? 0 : -s) + log1pf(tail);
        float slope = s > 0 ? tail / (1 + tail) : 1 / (1 + tail);
        float coefficient = -slope / (float)b->count;
        const uint32_t *place = b->place + 4 * k;
        b->c->value[place[0]] = coefficient;
        b->c->value[place[1]] = -coefficient;
        b->c->value[place[2]] = coefficient;
        b->c->value[place[3]] = -coefficient;
    }
}

KERNEL_CLONES
static void gradient_rows(bpr *b, size_t first, size_t last)
{
    for (size_t s = first; s < last; s++) {
        float *out = b->g + s * b->dim;
#define BLOCK(j, vectors, n, dim)                                                                  \
    do {                                                                                           \
        kernel_vec acc[KERNEL_VECTORS];                                                            \
        kernel_gather(acc, b->c, s, b->h + (j), dim, vectors, n);                                  \
        for (size_t i = 0; i < (vectors); i++) {                                                   \
            kernel_store(out + (j) + i * KERNEL_LANES, &acc[i], n);                                \
        }                                                                                          \
    } while (0)
        KERNEL_BLOCKS(b->dim, BLOCK);
#undef BLOCK
    }
}

double bpr_gradient(bpr *b)
{
    enum { RUN = 64 };
#pragma omp parallel num_threads(b->threads)
    {
#pragma omp for schedule(static)
        for (size_t k = 0; k < b->count; k += RUN) {
            losses(b, k, k + RUN < b->count ? k + RUN : b->count);
        }
#pragma omp for schedule(static)
        for (size_t s = 0; s < b->slots; s += RUN) {
            gradient_rows(b, s, s + RUN < b->slots ? s + RUN : b->slots);
        }
    }
    double total = 0;
    for (size_t k = 0; k < b->count; k++) {
        total += (double)b->loss[k];
    }
    return total / (double)b->count;
}

static int has(const csr *a, uint32_t user, uint32_t stacked)
{
    size_t low = a->start[user], high = a->start[user + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->col[middle] < stacked) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < a->start[user + 1] && a->col[low] == stacked;
}

static int excluded(const csr *a, size_t users, uint32_t user, uint32_t item, const uint64_t *gone)
{
    if (gone != NULL && bits_test(gone, item)) {
        return 1;
    }
    return has(a, user, (uint32_t)(users + item));
}

uint32_t bpr_negative(rng *r, const csr *a, size_t users, uint32_t user, const uint64_t *gone)
{
    enum { TRIES = 64 };
    uint32_t items = (uint32_t)(a->rows - users);
    for (int i = 0; i < TRIES; i++) {
        uint32_t item = rng_below(r, items);
        if (!excluded(a, users, user, item, gone)) {
            return item;
        }
    }
    /* The user has nearly every item, so count the others and draw one of them. */
    uint32_t left = 0;
    for (uint32_t item = 0; item < items; item++) {
        left += !excluded(a, users, user, item, gone);
    }
    if (left == 0) {
        return ROW_NONE;
    }
    uint32_t nth = rng_below(r, left);
    for (uint32_t item = 0; item < items; item++) {
        if (!excluded(a, users, user, item, gone) && nth-- == 0) {
            return item;
        }
    }
    return ROW_NONE;
}
