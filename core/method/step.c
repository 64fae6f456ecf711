#include "core/method/step.h"

#include <string.h>

#include "core/common/mem.h"
#include "core/method/adamw.h"
#include "core/method/bsc.h"
#include "core/method/fsc_pass.h"
#include "core/method/stepwise.h"

struct stepper {
    step_config c;
    bpr *loss;
    float *buffer[2]; /* (N, dim) */
    float *spare;     /* (items, dim) BSC's third table where no buffer has room for it, or NULL */
    float *scale;     /* (dim) of BSC */
};

/* A pass is worth another thread for every so many multiplications: below, waiting for each other
 * costs more than it saves, most of all on a busy machine. */
enum { WORK_PER_THREAD = 1 << 19 };

static int useful_threads(const step_config *c)
{
    size_t work = (c->a->nnz + c->a->rows) * c->dim / WORK_PER_THREAD;
    return work < 1 ? 1 : work < (size_t)c->threads ? (int)work : c->threads;
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
    bool spare = config->s != NULL && config->layers >= 3 && config->users < config->items;
    s->buffer[0] = mem_table(rows * dim, sizeof(float));
    s->buffer[1] = mem_table(rows * dim, sizeof(float));
    s->spare = spare ? mem_table(config->items * dim, sizeof(float)) : NULL;
    s->scale = mem_array(dim, sizeof(float));
    if (s->buffer[0] == NULL || s->buffer[1] == NULL || (spare && s->spare == NULL) ||
        s->scale == NULL) {
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
    mem_free(s->buffer[0]);
    mem_free(s->buffer[1]);
    mem_free(s->spare);
    mem_free(s->scale);
    mem_free(s);
}

float *stepper_buffer(stepper *s, int which)
{
    return s->buffer[which];
}

static fsc_pass pass(const stepper *s)
{
    return (fsc_pass){
        .a = s->c.a, .dim = s->c.dim, .f = s->c.f, .scale = NULL, .threads = s->c.threads};
}

/* The rows of H that the batch needs, into the loss's own table. */
static void forward(stepper *s)
{
    const step_config *c = &s->c;
    bpr *loss = s->loss;
    if (c->layers == 0) {
        for (size_t k = 0; k < loss->slots; k++) {
            for (size_t j = 0; j < c->dim; j++) {
                loss->h[k * c->dim + j] = c->w[j] * c->e[loss->row[k] * c->dim + j];
            }
        }
        return;
    }
    fsc_pass p = pass(s);
    p.base.x = c->e;
    p.in.x = c->e;
    for (uint32_t l = 1; l < c->layers; l++) {
        p.out = s->buffer[l % 2];
        fsc_pass_rows(&p);
        p.in.x = p.out;
    }
    p.out = loss->h;
    p.scale = c->w;
    fsc_pass_list(&p, loss->row, loss->slots);
}

/* The gradient up to its last layer, which is left in *last for AdamW to do. */
static void backward(stepper *s, fsc_pass *last)
{
    const step_config *c = &s->c;
    fsc_rows sparse = {s->loss->g, s->loss->slot_of, s->loss->zero};
    fsc_pass p = pass(s);
    p.base = sparse;
    if (c->layers > 0) {
        p.in = sparse;
        p.out = s->buffer[0];
        fsc_pass_sparse(&p);
        p.in = (fsc_rows){.x = p.out};
    }
    for (uint32_t l = 2; l < c->layers; l++) {
        p.out = s->buffer[(l + 1) % 2];
        fsc_pass_rows(&p);
        p.in.x = p.out;
    }
    if (c->layers == 1) { /* the one layer is done: AdamW only scales it */
        p.base = p.in;
        p.in.x = NULL;
    }
    p.scale = c->w;
    *last = p;
}

double stepper_run(stepper *s, const bpr_batch *batch, uint64_t time)
{
    const step_config *c = &s->c;
    size_t item_at = c->users * c->dim;
    bpr_begin(s->loss, batch);
    forward(s);
    double loss = bpr_gradient(s->loss);
    adamw step = {.e = c->e, .m = c->m, .v = c->v, .users = c->users, .time = time};
    backward(s, &step.last);
    /* AdamW reads one buffer; the directions go into the other, whose free half and the one that
     * was read serve BSC. */
    int read = step.last.in.x == s->buffer[1] || step.last.base.x == s->buffer[1];
    float *other = s->buffer[!read];
    step.direction = c->s != NULL ? other + item_at : NULL;
    step.lr = (float)c->lr;
    step.decay = (float)(1 - c->lr * c->weight_decay);
    adamw_step(&step);
    bpr_end(s->loss);
    if (c->s != NULL) {
        bsc op = {c->s, c->b, s->scale, c->dim, c->layers, c->threads};
        float *const scratch[2] = {s->buffer[read] + item_at,
                                   s->spare != NULL ? s->spare : s->buffer[read]};
        bsc_apply(&op, step.direction, scratch, step.lr, c->e + item_at);
    }
    return loss;
}
