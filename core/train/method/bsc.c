/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/bsc.h"

#include "core/common/kernel.h"
#include "core/model/fsc_pass.h"

/* The last layer, fused with the update: E -= lr * scale * (d + b * S in). */
typedef struct apply_pass {
    const bsc *op;
    const float *d, *in;
    float lr;
    float *embeddings;
} apply_pass;

KERNEL_INLINE void apply_block(const apply_pass *p, size_t r, size_t j, size_t vectors, size_t n,
                               size_t dim)
{
    kernel_vec acc[KERNEL_VECTORS];
    kernel_clear(acc);
    if (p->in != NULL) {
        kernel_gather(acc, p->op->s, r, p->in + j, dim, vectors, n);
    }
    for (size_t i = 0; i < vectors; i++) {
        size_t at = j + i * KERNEL_LANES;
        kernel_vec d, b, scale, embedding;
        kernel_load(&d, p->d + r * dim + at, n);
        kernel_load(&b, p->op->b + at, n);
        kernel_load(&scale, p->op->scale + at, n);
        kernel_load(&embedding, p->embeddings + r * dim + at, n);
        embedding -= p->lr * (scale * (d + b * acc[i]));
        kernel_store(p->embeddings + r * dim + at, &embedding, n);
    }
}

KERNEL_CLONES
static void apply_rows(const apply_pass *p, size_t first, size_t last)
{
    for (size_t r = first; r < last; r++) {
#define BLOCK(j, vectors, n, dim) apply_block(p, r, j, vectors, n, dim)
        KERNEL_BLOCKS(p->op->dim, BLOCK);
#undef BLOCK
    }
}

void bsc_apply(const bsc *op, const float *d, float *const scratch[2], float lr, float *embeddings)
{
    const float *in = d;
    for (uint32_t l = 1; l < op->layers; l++) {
        float *out = scratch[(l - 1) % 2];
        fsc_pass p = {.a = op->s, .dim = op->dim, .f = op->b, .out = out, .threads = op->threads};
        p.base.x = d;
        p.in.x = in;
        p.last = op->s->rows;
        fsc_pass_rows(&p);
        in = out;
    }
    apply_pass p = {
        .op = op, .d = d, .in = op->layers > 0 ? in : NULL, .lr = lr, .embeddings = embeddings};
#pragma omp parallel for schedule(dynamic, 1) num_threads(op->threads)
    for (size_t part = 0; part < op->s->parts; part++) {
        apply_rows(&p, op->s->part[part], op->s->part[part + 1]);
    }
}
