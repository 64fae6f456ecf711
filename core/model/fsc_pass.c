/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/fsc_pass.h"

#include "core/common/kernel.h"

/* finish ends every form: out = scale * (base + f * acc), for the columns of one row from j on. */
KERNEL_INLINE void finish(const fsc_pass *p, const float *base, const kernel_vec *acc, float *out,
                          size_t j, size_t vectors, size_t n)
{
    for (size_t i = 0; i < vectors; i++) {
        size_t at = j + i * KERNEL_LANES;
        kernel_vec b, f, y;
        kernel_load(&b, base + at, n);
        kernel_load(&f, p->f + at, n);
        y = b + f * acc[i];
        if (p->scale != NULL) {
            kernel_vec scale;
            kernel_load(&scale, p->scale + at, n);
            y *= scale;
        }
        kernel_store(out + at, &y, n);
    }
}

KERNEL_INLINE void dense_row(const fsc_pass *p, size_t r, float *out)
{
    const float *base = fsc_row(&p->base, r, p->dim);
#define BLOCK(j, vectors, n, dim)                                                                  \
    do {                                                                                           \
        kernel_vec acc[KERNEL_VECTORS];                                                            \
        kernel_clear(acc);                                                                         \
        if (p->in.x != NULL) {                                                                     \
            kernel_gather(acc, p->a, r, p->in.x + (j), dim, vectors, n);                           \
        }                                                                                          \
        finish(p, base, acc, out, j, vectors, n);                                                  \
    } while (0)
    KERNEL_BLOCKS(p->dim, BLOCK);
#undef BLOCK
}

KERNEL_CLONES
static void dense_rows(const fsc_pass *p, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
        dense_row(p, r, p->out + r * p->dim);
    }
}

KERNEL_CLONES
static void listed_rows(const fsc_pass *p, const uint32_t *list, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        dense_row(p, list[i], p->out + i * p->dim);
    }
}

/* How many present neighbours of a row are selected at a time. Most neighbours are absent from a
 * compact table. The present ones are selected first, without a branch that would be mispredicted,
 * and then gathered from the table, which fits into the cache. */
enum { PICK = 256 };

typedef struct picked {
    size_t count;
    uint32_t slot[PICK];
    float value[PICK];
} picked;

KERNEL_INLINE void pick(picked *out, const fsc_pass *p, size_t first, size_t last)
{
    size_t count = 0;
    for (size_t k = first; k < last; k++) {
        uint32_t slot = p->in.slot[p->a->col[k]];
        out->slot[count] = slot;
        out->value[count] = p->a->value[k];
        count += slot != FSC_NO_SLOT;
    }
    out->count = count;
}

KERNEL_INLINE void gather_picked(kernel_vec *acc, const picked *q, const float *in, size_t dim,
                                 size_t vectors, size_t n)
{
    kernel_vec sum[KERNEL_VECTORS];
    for (size_t i = 0; i < vectors; i++) {
        sum[i] = acc[i];
    }
    for (size_t k = 0; k < q->count; k++) {
        const float *x = in + (size_t)q->slot[k] * dim;
        const float value = q->value[k];
        for (size_t i = 0; i < vectors; i++) {
            kernel_vec v;
            kernel_load(&v, x + i * KERNEL_LANES, n);
            sum[i] += value * v;
        }
    }
    for (size_t i = 0; i < vectors; i++) {
        acc[i] = sum[i];
    }
}

KERNEL_INLINE void sparse_row(const fsc_pass *p, size_t r, picked *q)
{
    const float *base = fsc_row(&p->base, r, p->dim);
    float *out = p->out + r * p->dim;
    size_t start = p->a->start[r], end = p->a->start[r + 1];
    size_t once = end - start <= PICK ? end : start;
    q->count = 0;
    pick(q, p, start, once);
#define BLOCK(j, vectors, n, dim)                                                                  \
    do {                                                                                           \
        kernel_vec acc[KERNEL_VECTORS];                                                            \
        kernel_clear(acc);                                                                         \
        for (size_t k = once; k < end; k += PICK) {                                                \
            pick(q, p, k, k + PICK < end ? k + PICK : end);                                        \
            gather_picked(acc, q, p->in.x + (j), dim, vectors, n);                                 \
        }                                                                                          \
        if (once == end) {                                                                         \
            gather_picked(acc, q, p->in.x + (j), dim, vectors, n);                                 \
        }                                                                                          \
        finish(p, base, acc, out, j, vectors, n);                                                  \
    } while (0)
    KERNEL_BLOCKS(p->dim, BLOCK);
#undef BLOCK
}

KERNEL_CLONES
static void sparse_rows(const fsc_pass *p, size_t first, size_t last)
{
    picked q;
    for (size_t r = first; r < last; r++) {
        sparse_row(p, r, &q);
    }
}

void fsc_pass_rows(const fsc_pass *p)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(p->threads)
    for (size_t part = 0; part < p->a->parts; part++) {
        csr_run run = csr_part(p->a, part, p->first, p->last);
        dense_rows(p, run.first, run.last);
    }
}

void fsc_pass_sparse(const fsc_pass *p)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(p->threads)
    for (size_t part = 0; part < p->a->parts; part++) {
        csr_run run = csr_part(p->a, part, p->first, p->last);
        sparse_rows(p, run.first, run.last);
    }
}

void fsc_pass_list(const fsc_pass *p, const uint32_t *list, size_t count)
{
    enum { RUN = 32 };
#pragma omp parallel for schedule(dynamic, 1) num_threads(p->threads)
    for (size_t first = 0; first < count; first += RUN) {
        listed_rows(p, list, first, first + RUN < count ? first + RUN : count);
    }
}
