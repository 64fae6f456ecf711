/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/adamw.h"

#include <math.h>
#include <stdint.h>

#include "core/common/kernel.h"

typedef struct adamw_run {
    const adamw *o;
    float c1, c2; /* the bias corrections of both moments */
} adamw_run;

typedef int32_t kernel_int __attribute__((vector_size(32)));

/* root computes the square roots of 8 numbers >= 0, to the last bit or two. gcc has no such
 * operation for its vector types: it turns a loop over the lanes into eight instructions, which
 * made the whole pass five times slower. It guesses the inverse root from the bits of the number
 * and refines it by three Newton steps. The added constant keeps the inverse from overflowing and
 * is negligible beside epsilon. */
KERNEL_INLINE void root(kernel_vec *x)
{
    *x += 1e-34F;
    kernel_int guess = 0x5f3759df - ((kernel_int)*x >> 1);
    kernel_vec y = (kernel_vec)guess, half = 0.5F * *x;
    for (int i = 0; i < 3; i++) {
        y *= 1.5F - half * y * y;
    }
    *x *= y;
}

/* update handles one vector of one row: it takes g, and updates the moments and E. `d` is where D
 * is written, or NULL. */
KERNEL_INLINE void update(const adamw_run *run, const kernel_vec *g, size_t at, float *d, size_t n)
{
    const adamw *o = run->o;
    const float beta1 = (float)ADAMW_BETA1, beta2 = (float)ADAMW_BETA2;
    kernel_vec m, v, embedding;
    kernel_load(&m, o->m + at, n);
    kernel_load(&v, o->v + at, n);
    kernel_load(&embedding, o->embeddings + at, n);
    m = beta1 * m + (1 - beta1) * *g;
    v = beta2 * v + (1 - beta2) * (*g * *g);
    kernel_store(o->m + at, &m, n);
    kernel_store(o->v + at, &v, n);
    kernel_vec below = v * run->c2;
    root(&below);
    kernel_vec direction = (m * run->c1) / (below + (float)ADAMW_EPSILON);
    embedding *= o->decay;
    if (d == NULL) {
        embedding -= o->lr * direction;
    } else {
        kernel_store(d, &direction, n);
    }
    kernel_store(o->embeddings + at, &embedding, n);
}

KERNEL_INLINE void block(const adamw_run *run, size_t r, size_t j, size_t vectors, size_t n,
                         size_t dim)
{
    const adamw *o = run->o;
    const fsc_pass *p = &o->last;
    const float *base = fsc_row(&p->base, r, dim);
    kernel_vec acc[KERNEL_VECTORS];
    kernel_clear(acc);
    if (p->in.x != NULL) {
        kernel_gather(acc, p->a, r, p->in.x + j, dim, vectors, n);
    }
    float *d = o->direction != NULL ? o->direction + (r - p->first) * dim : NULL;
    for (size_t i = 0; i < vectors; i++) {
        size_t at = j + i * KERNEL_LANES;
        kernel_vec b, f, w, g;
        kernel_load(&b, base + at, n);
        kernel_load(&f, p->f + at, n);
        kernel_load(&w, p->scale + at, n);
        g = w * (b + f * acc[i]);
        update(run, &g, r * dim + at, d == NULL ? NULL : d + at, n);
    }
}

KERNEL_CLONES
static void rows(const adamw_run *run, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
#define BLOCK(j, vectors, n, dim) block(run, r, j, vectors, n, dim)
        KERNEL_BLOCKS(run->o->last.dim, BLOCK);
#undef BLOCK
    }
}

void adamw_step(const adamw *o)
{
    adamw_run run = {.o = o};
    run.c1 = (float)(1 / (1 - pow(ADAMW_BETA1, (double)o->time)));
    run.c2 = (float)(1 / (1 - pow(ADAMW_BETA2, (double)o->time)));
    const csr *a = o->last.a;
#pragma omp parallel for schedule(dynamic, 1) num_threads(o->last.threads)
    for (size_t part = 0; part < a->parts; part++) {
        csr_run part_rows = csr_part(a, part, o->last.first, o->last.last);
        rows(&run, part_rows.first, part_rows.last);
    }
}
