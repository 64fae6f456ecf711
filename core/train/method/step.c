/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/method/step.h"

#include <string.h>

#include "core/common/mem.h"
#include "core/model/fsc_pass.h"
#include "core/model/stepwise.h"
#include "core/train/method/adamw.h"
#include "core/train/method/bsc.h"

struct stepper {
    step_config c;
    bpr *loss;
    float *table;      /* (N, dim) the layers, then the items' directions */
    float *scratch[2]; /* (items, dim) for BSC; part of the users' half of `table`, or of `spare` */
    float *spare;      /* (0, 1 or 2 times items, dim) or NULL */
    float *scale;      /* (dim) scale of BSC */
};

/* A pass gets another thread for every WORK_PER_THREAD multiplications. With less work, threads
 * lose more time waiting for each other than they save, especially on a busy machine. */
enum { WORK_PER_THREAD = 1 << 19 };

static int useful_threads(const step_config *c)
{
    size_t work = (c->a->nnz + c->a->rows) * c->dim / WORK_PER_THREAD;
    return work < 1 ? 1 : work < (size_t)c->threads ? (int)work : c->threads;
}

/* find_scratch finds memory for BSC, which needs up to two tables of items. The users' half of the
 * table is free by then and may have room for some. */
static bool find_scratch(stepper *s)
{
    const step_config *c = &s->c;
    size_t wanted = c->s == NULL || c->layers < 2 ? 0 : c->layers == 2 ? 1 : 2;
    size_t there = c->users / c->items < wanted ? c->users / c->items : wanted;
    if (there < wanted) {
        s->spare = mem_table((wanted - there) * c->items * c->dim, sizeof(float));
        if (s->spare == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < wanted; i++) {
        float *at = i < there ? s->table : s->spare;
        s->scratch[i] = at + (i < there ? i : i - there) * c->items * c->dim;
    }
    return true;
}

err_code stepper_new(stepper **out, const step_config *config, err *e)
{
    *out = NULL;
    stepper *s = mem_array(1, sizeof *s);
    if (s == NULL) {
        return err_nomem(e, "a training step");
    }
    s->c = *config;
    s->c.threads = useful_threads(config);
    size_t rows = config->users + config->items, dim = config->dim;
    err_code code = bpr_new(&s->loss, config->users, config->items, dim, config->batch_max, e);
    if (code != ERR_OK) {
        stepper_free(s);
        return code;
    }
    s->loss->threads = s->c.threads;
    s->table = mem_table(rows * dim, sizeof(float));
    s->scale = mem_array(dim, sizeof(float));
    if (s->table == NULL || s->scale == NULL || !find_scratch(s)) {
        stepper_free(s);
        return err_nomem(e, "a training step");
    }
    if (config->s != NULL) {
        stepwise_scale(config->b, dim, config->layers, s->scale);
    }
    *out = s;
    return ERR_OK;
}

void stepper_free(stepper *s)
{
    if (s == NULL) {
        return;
    }
    bpr_free(s->loss);
    mem_free(s->table);
    mem_free(s->spare);
    mem_free(s->scale);
    mem_free(s);
}

float *stepper_table(stepper *s)
{
    return s->table;
}

/* The half of a table that holds users, or items. A user's row depends on items' rows of the layer
 * before, and the other way round. So the layers form two chains: one ends in the users' rows, one
 * in the items'. Each chain needs only one table: every layer reads one half of it and writes the
 * other. */
typedef enum half { USERS, ITEMS } half;

static fsc_pass pass_over(const stepper *s, half rows)
{
    const step_config *c = &s->c;
    size_t all = c->users + c->items;
    return (fsc_pass){.a = c->a,
                      .dim = c->dim,
                      .f = c->f,
                      .out = s->table,
                      .first = rows == USERS ? 0 : c->users,
                      .last = rows == USERS ? c->users : all,
                      .threads = c->threads};
}

/* filled returns the half that layer `l` writes, in the chain that ends in `end`. */
static half filled(const step_config *c, half end, uint32_t l)
{
    return (c->layers - l) % 2 == 0 ? end : end == USERS ? ITEMS : USERS;
}

/* forward computes the rows of H that the batch needs of one half, into the loss's table. */
static void forward(stepper *s, half end)
{
    const step_config *c = &s->c;
    const float *in = c->embeddings;
    for (uint32_t l = 1; l < c->layers; l++) {
        fsc_pass p = pass_over(s, filled(c, end, l));
        p.base.x = c->embeddings;
        p.in.x = in;
        fsc_pass_rows(&p);
        in = s->table;
    }
    const bpr *loss = s->loss;
    size_t first = end == USERS ? 0 : loss->user_slots;
    size_t last = end == USERS ? loss->user_slots : loss->slots;
    fsc_pass p = pass_over(s, end);
    p.base.x = c->embeddings;
    p.in.x = c->layers > 0 ? in : NULL;
    p.scale = c->w;
    p.out = loss->h + first * c->dim;
    fsc_pass_list(&p, loss->row + first, last - first);
}

/* backward computes the gradient of one half, except for its last layer, which it leaves in *last
 * for AdamW. */
static void backward(stepper *s, half end, fsc_pass *last)
{
    const step_config *c = &s->c;
    const fsc_rows sparse = {s->loss->g, s->loss->slot_of, s->loss->zero};
    const fsc_rows table = {.x = s->table};
    uint32_t before = c->layers > 1 ? c->layers - 1 : c->layers; /* layers that are computed here */
    for (uint32_t l = 1; l <= before; l++) {
        fsc_pass p = pass_over(s, filled(c, end, l));
        p.base = sparse;
        p.in = l == 1 ? sparse : table;
        if (l == 1) {
            fsc_pass_sparse(&p);
        } else {
            fsc_pass_rows(&p);
        }
    }
    *last = pass_over(s, end);
    last->scale = c->w;
    /* with one layer, only the scale is left to AdamW */
    last->base = c->layers == 1 ? table : sparse;
    last->in = c->layers > 1 ? table : (fsc_rows){0};
}

static void smooth(const stepper *s, const float *direction)
{
    const step_config *c = &s->c;
    bsc op = {c->s, c->b, s->scale, c->dim, c->layers, c->threads};
    bsc_apply(&op, direction, s->scratch, (float)c->lr, c->embeddings + c->users * c->dim);
}

double stepper_run(stepper *s, const bpr_batch *batch, uint64_t time)
{
    const step_config *c = &s->c;
    bpr_begin(s->loss, batch);
    forward(s, USERS);
    forward(s, ITEMS);
    double loss = bpr_gradient(s->loss);
    adamw step = {.embeddings = c->embeddings, .m = c->m, .v = c->v, .time = time};
    step.lr = (float)c->lr;
    step.decay = (float)(1 - c->lr * c->weight_decay);
    backward(s, USERS, &step.last);
    adamw_step(&step);
    backward(s, ITEMS, &step.last);
    /* AdamW reads each part of the items' half before it writes there. */
    step.direction = c->s != NULL ? s->table + c->users * c->dim : NULL;
    adamw_step(&step);
    bpr_end(s->loss);
    if (c->s != NULL) {
        smooth(s, step.direction);
    }
    return loss;
}
