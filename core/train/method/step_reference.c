/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/step_reference.h"

#include <math.h>

#include "core/common/mem.h"
#include "core/model/fsc_reference.h"
#include "core/model/stepwise.h"
#include "core/train/method/adamw.h"

/* loss_and_gradient returns the loss of a batch and adds its gradient with respect to H to dh
 * (users + items, dim), which must be zero before. */
static double loss_and_gradient(const step_config *c, const bpr_batch *batch, const double *h,
                                double *dh)
{
    double loss = 0;
    for (size_t k = 0; k < batch->count; k++) {
        size_t u = (size_t)batch->users[k] * c->dim;
        size_t p = (c->users + batch->positives[k]) * c->dim;
        size_t n = (c->users + batch->negatives[k]) * c->dim;
        double margin = 0;
        for (size_t j = 0; j < c->dim; j++) {
            margin += h[u + j] * (h[p + j] - h[n + j]);
        }
        loss += log1p(exp(-margin)) / (double)batch->count;
        /* d softplus(-s) / ds = -1 / (1 + exp(s)) */
        double slope = -1 / (1 + exp(margin)) / (double)batch->count;
        for (size_t j = 0; j < c->dim; j++) {
            dh[u + j] += slope * (h[p + j] - h[n + j]);
            dh[p + j] += slope * h[u + j];
            dh[n + j] -= slope * h[u + j];
        }
    }
    return loss;
}

/* find_direction computes AdamW's direction D from the gradient and updates the moments. */
static void find_direction(size_t numbers, const double *gradient, uint64_t time,
                           const step_tables *t, double *direction)
{
    double correct_m = 1 / (1 - pow(ADAMW_BETA1, (double)time));
    double correct_v = 1 / (1 - pow(ADAMW_BETA2, (double)time));
    for (size_t i = 0; i < numbers; i++) {
        t->m[i] = ADAMW_BETA1 * t->m[i] + (1 - ADAMW_BETA1) * gradient[i];
        t->v[i] = ADAMW_BETA2 * t->v[i] + (1 - ADAMW_BETA2) * gradient[i] * gradient[i];
        direction[i] = t->m[i] * correct_m / (sqrt(t->v[i] * correct_v) + ADAMW_EPSILON);
    }
}

/* smooth applies BSC: it smooths the items' directions over the item graph. `from` is a copy of
 * them. */
static err_code smooth(const step_config *c, const double *from, double *direction, err *e)
{
    float *scale = mem_array(c->dim, sizeof *scale);
    if (scale == NULL) {
        return err_nomem(e, "a training step");
    }
    stepwise_scale(c->b, c->dim, c->layers, scale);
    fsc_reference bsc = {.a = c->s, .x = c->b, .scale = scale, .dim = c->dim, .layers = c->layers};
    err_code code = fsc_reference_run(&bsc, from, direction, e);
    mem_free(scale);
    return code;
}

err_code step_reference(const step_config *c, const bpr_batch *batch, uint64_t time,
                        const step_tables *t, double *loss, err *e)
{
    size_t numbers = (c->users + c->items) * c->dim, items_at = c->users * c->dim;
    double *h = mem_array(numbers, sizeof *h), *dh = mem_array(numbers, sizeof *dh);
    double *gradient = mem_array(numbers, sizeof *gradient);
    double *direction = mem_array(numbers, sizeof *direction);
    fsc_reference fsc = {.a = c->a, .x = c->f, .scale = c->w, .dim = c->dim, .layers = c->layers};
    err_code code = ERR_OK;
    if (h == NULL || dh == NULL || gradient == NULL || direction == NULL) {
        code = err_nomem(e, "a training step");
    }
    if (code == ERR_OK) {
        code = fsc_reference_run(&fsc, t->embeddings, h, e);
    }
    if (code == ERR_OK) {
        *loss = loss_and_gradient(c, batch, h, dh);
        code = fsc_reference_run(&fsc, dh, gradient, e);
    }
    if (code == ERR_OK) {
        find_direction(numbers, gradient, time, t, direction);
    }
    if (code == ERR_OK && c->s != NULL) {
        for (size_t i = items_at; i < numbers; i++) {
            h[i] = direction[i];
        }
        code = smooth(c, h + items_at, direction + items_at, e);
    }
    for (size_t i = 0; i < numbers && code == ERR_OK; i++) {
        t->embeddings[i] = (1 - c->lr * c->weight_decay) * t->embeddings[i] - c->lr * direction[i];
    }
    mem_free(h);
    mem_free(dh);
    mem_free(gradient);
    mem_free(direction);
    return code;
}
