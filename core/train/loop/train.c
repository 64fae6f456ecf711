/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/train.h"

#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/model/stepwise.h"
#include "core/train/loop/batches.h"
#include "core/train/loop/choose.h"
#include "core/train/loop/prepare.h"
#include "core/train/loop/train_measure.h"
#include "core/train/loop/train_served.h"
#include "core/train/loop/train_stage.h"
#include "core/train/loop/train_state.h"
#include "core/train/method/step.h"

/* Spend at most a twentieth of the run time on checkpoints. */
enum { SAVE_SHARE = 20, PROGRESS_STEPS = 8 };

typedef struct training {
    const dataset *d, *served;
    const train_options *o;
    const train_hooks *h;
    bool evaluates;
    bool borrowed; /* p belongs to the caller */
    prepared p;
    prepared *passed; /* where to leave p at the end, or NULL */
    train_state state;
    stepper *step;
    batches batches;
    float *scratch;    /* (N, dim) for evaluations, or NULL */
    float *w, *f, *b;  /* (dim) */
    double *durations; /* (epochs) seconds of each epoch that ran here */
    size_t duration_count;
    double started, save_cost, saved_at;
    bool unsaved;          /* the last save failed */
    double seconds_before; /* seconds that earlier runs took up to the checkpoint */
    double loss;           /* running mean over the epoch */
    double fraction;       /* done part of the current epoch */
} training;

static double now(const training *t)
{
    return t->h->seconds != NULL ? t->h->seconds(t->h->ctx) : 0;
}

static bool stopped(const training *t)
{
    return t->h->cancelled != NULL && t->h->cancelled(t->h->ctx);
}

static double elapsed(const training *t)
{
    return t->seconds_before + now(t) - t->started;
}

static void report(const training *t, train_phase phase, const char *what)
{
    if (t->h->progress == NULL) {
        return;
    }
    train_progress p = {.phase = phase, .what = what, .epochs = t->o->epochs, .loss = t->loss};
    if (t->state.head != NULL) {
        p.epoch = t->state.head->epoch;
        p.best_epoch = t->state.head->best_epoch;
        p.valid = t->state.head->valid.users > 0 ? &t->state.head->valid : NULL;
        p.seconds = elapsed(t);
    }
    p.fraction = t->fraction;
    t->h->progress(t->h->ctx, &p);
}

static void modality_begins(void *ctx, const char *name)
{
    report(ctx, TRAIN_PREPARING, name);
}

static bool preparing_stopped(void *ctx)
{
    return stopped(ctx);
}

static err_code check_input(const dataset *d, const train_options *o, err *e)
{
    err_code code = train_options_check(o, e);
    if (code == ERR_OK && d->train_count == 0) {
        code =
            err_set(e, ERR_INVALID, "nothing to train on: the data has no training interactions");
    }
    if (code == ERR_OK) {
        code = dataset_check(d, e);
    }
    for (size_t m = 0; code == ERR_OK && m < d->modality_count; m++) {
        if (d->modalities[m].neighbours > TRAIN_NEIGHBOURS_MAX) {
            code =
                err_set(e, ERR_INVALID, "neighbours of %s: expected 0 to %d, not %u",
                        d->modalities[m].name, TRAIN_NEIGHBOURS_MAX, d->modalities[m].neighbours);
        }
    }
    return code;
}

static err_code alloc_small(training *t, err *e)
{
    size_t dim = t->o->dim;
    t->w = mem_table(dim, sizeof(float));
    t->f = mem_table(dim, sizeof(float));
    t->b = mem_table(dim, sizeof(float));
    t->durations = mem_array(t->o->epochs, sizeof *t->durations);
    if (t->w == NULL || t->f == NULL || t->b == NULL || t->durations == NULL) {
        return err_nomem(e, "a training");
    }
    for (size_t j = 0; j < dim; j++) {
        t->f[j] = 1; /* plain averaging, unless changed below */
    }
    if (!t->o->without_fsc) {
        stepwise_layer(t->o->gamma_forward, dim, t->f);
    }
    stepwise_scale(t->f, dim, t->o->layers, t->w);
    stepwise_smoothing(t->o->gamma_backward, dim, t->b);
    return batches_init(&t->batches, t->d, t->p.a, t->o->batch, e);
}

static err_code begin(training *t, const train_job *job, err *e)
{
    train_header resumed = {0};
    err_code code = ERR_OK;
    if (t->h->resume != NULL) {
        code = train_state_peek(&resumed, t->h->resume, t->h->resume_bytes, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    train_shape shape = {.evaluates = t->evaluates, .refit = job->refit};
    shape.curve_room = t->evaluates ? t->o->epochs / t->o->eval_every + 2 : 1;
    shape.curve_room += job->first != NULL ? job->first->curve_count : resumed.curve_count;
    code = train_state_init(&t->state, t->d, t->o, &shape, e);
    if (code != ERR_OK) {
        return code;
    }
    train_header *head = t->state.head;
    head->stage = job->stage;
    if (t->h->resume != NULL) {
        code = train_state_restore(&t->state, t->h->resume, t->h->resume_bytes, e);
        t->seconds_before = head->seconds;
        return code;
    }
    if (job->first != NULL) {
        head->best_epoch = job->first->best_epoch;
        head->first_epochs = job->first->epochs;
        head->valid = job->first->valid;
        head->serving = job->first->serving;
        head->serving_gain = job->first->serving_gain;
        head->links_gain = job->first->links_gain;
        if (job->first->links != NULL) {
            head->links = job->first->links->choice;
        }
        t->seconds_before = job->first->seconds;
        head->curve_count = (uint32_t)job->first->curve_count;
        memcpy(t->state.curve, job->first->curve, head->curve_count * sizeof *t->state.curve);
    } else if (job->stage == 1) {
        head->best_epoch = head->first_epochs = t->o->epochs;
    }
    prepare_initial(&t->p, t->d, t->o, t->state.embeddings);
    return ERR_OK;
}

static err_code make_stepper(training *t, err *e)
{
    if (t->evaluates) {
        t->scratch = mem_table((t->d->users + t->d->items) * t->o->dim, sizeof(float));
        if (t->scratch == NULL) {
            return err_nomem(e, "the evaluations");
        }
    }
    step_config c = {.a = t->p.a,
                     .s = t->o->without_bsc ? NULL : t->p.s,
                     .users = t->d->users,
                     .items = t->d->items,
                     .dim = t->o->dim,
                     .layers = t->o->layers,
                     .w = t->w,
                     .f = t->f,
                     .b = t->b,
                     .lr = t->o->lr,
                     .weight_decay = t->o->weight_decay,
                     .batch_max = t->o->batch,
                     .threads = t->o->threads,
                     .embeddings = t->state.embeddings,
                     .m = t->state.m,
                     .v = t->state.v};
    return stepper_new(&t->step, &c, e);
}

static err_code run_epoch(training *t, err *e)
{
    train_header *head = t->state.head;
    size_t counted = 0, steps = 0;
    double sum = 0, start = now(t);
    bpr_batch batch;
    batches_begin(&t->batches, t->o->seed, head->epoch + UINT64_C(1));
    while (batches_next(&t->batches, &batch)) {
        if (batch.count > 0) {
            sum += stepper_run(t->step, &batch, ++head->time) * (double)batch.count;
            counted += batch.count;
            t->loss = sum / (double)counted;
        }
        t->fraction = (double)t->batches.done / (double)t->d->train_count;
        if (++steps % PROGRESS_STEPS == 0) {
            report(t, TRAIN_RUNNING, NULL);
        }
        if (stopped(t)) {
            return err_set(e, ERR_CANCELLED, "the training was stopped");
        }
    }
    if (!isfinite(t->loss)) {
        return err_set(e, ERR_INVALID,
                       "the loss became infinite in epoch %u; lower the learning rate",
                       head->epoch + 1);
    }
    t->durations[t->duration_count++] = now(t) - start;
    t->fraction = 0;
    head->epoch++;
    head->loss_sum += t->loss;
    head->loss_epochs++;
    report(t, TRAIN_RUNNING, NULL);
    return ERR_OK;
}

static err_code evaluate(training *t, err *e)
{
    train_header *head = t->state.head;
    report(t, TRAIN_EVALUATING, NULL);
    eval_metrics m;
    const train_tables x = {.d = t->d,
                            .o = t->o,
                            .a = t->p.a,
                            .w = t->w,
                            .f = t->f,
                            .embeddings = t->state.embeddings,
                            .h = stepper_table(t->step),
                            .scratch = t->scratch};
    err_code code = train_validate(&m, &x, t->h, e);
    if (code != ERR_OK) {
        return code;
    }
    model_point *point = &t->state.curve[head->curve_count++];
    *point = (model_point){.epoch = head->epoch, .seconds = elapsed(t)};
    point->loss = (float)(head->loss_sum / head->loss_epochs);
    point->recall = (float)eval_metric(&m, TRAIN_RECALL, t->o->select_at);
    point->ndcg = (float)eval_metric(&m, TRAIN_NDCG, t->o->select_at);
    head->loss_sum = 0;
    head->loss_epochs = 0;
    double value = eval_metric(&m, t->o->select_metric, t->o->select_at);
    if (head->best_epoch == 0 || value > head->best_value) {
        head->best_epoch = head->epoch;
        head->best_value = value;
        head->valid = m;
        size_t floats = (t->d->users + t->d->items) * t->o->dim;
        memcpy(t->state.best, t->state.embeddings, floats * sizeof(float));
    }
    if (value > head->gained * TRAIN_GAIN_MIN) {
        head->gained = value;
        head->stale = 0;
    } else {
        head->stale++;
    }
    return ERR_OK;
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    if (count == 0) {
        return 0;
    }
    sort_array(values, count, sizeof *values, ascending);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void save(training *t)
{
    double start = now(t);
    if (t->h->save == NULL ||
        (t->h->seconds != NULL && start - t->saved_at < t->save_cost * SAVE_SHARE)) {
        return;
    }
    train_header *head = t->state.head;
    head->seconds = elapsed(t); /* a resumed run counts on from here */
    err why = ERR_INIT;
    err_code code = t->h->save(t->h->ctx, t->state.image, train_state_bytes(&t->state), &why);
    t->saved_at = now(t);
    t->save_cost = t->saved_at - start;
    if (code != ERR_OK && !t->unsaved && t->h->unsaved != NULL) {
        t->h->unsaved(t->h->ctx, &why);
    }
    t->unsaved = code != ERR_OK;
}

static err_code loop(training *t, err *e)
{
    const train_header *head = t->state.head;
    const train_options *o = t->o;
    err_code code = ERR_OK;
    while (code == ERR_OK && head->epoch < o->epochs &&
           (o->patience == 0 || head->stale < o->patience)) {
        code = run_epoch(t, e);
        bool due = t->evaluates && (head->epoch % o->eval_every == 0 || head->epoch == o->epochs);
        if (code == ERR_OK && due) {
            code = evaluate(t, e);
        }
        if (code == ERR_OK && (due || !t->evaluates)) {
            save(t);
        }
    }
    return code;
}

/* make_model moves the results into a model. The step's buffers are already freed. */
static err_code make_model(training *t, model **out, err *e)
{
    const train_header *head = t->state.head;
    size_t user_floats = t->d->users * t->o->dim, item_floats = t->d->items * t->o->dim;
    model *m = NULL;
    bool keeps = !t->borrowed && t->passed == NULL;
    size_t modalities = keeps ? t->p.modality_count : 0;
    err_code code = model_new(&m, t->o, t->d->users, t->d->items, modalities, e);
    if (code != ERR_OK) {
        return code;
    }
    const float *e_table =
        t->evaluates && head->best_epoch > 0 ? t->state.best : t->state.embeddings;
    memcpy(m->user_e, e_table, user_floats * sizeof(float));
    memcpy(m->item_e, e_table + user_floats, item_floats * sizeof(float));
    if (keeps) {
        mem_free(m->modalities);
        m->modalities = t->p.modalities;
        t->p.modalities = NULL;
    }
    m->epochs = head->stage == 1 ? head->first_epochs : head->epoch;
    m->best_epoch = head->best_epoch > 0 ? head->best_epoch : head->epoch;
    m->valid = head->valid;
    m->seconds_per_epoch = median(t->durations, t->duration_count);
    m->curve = mem_array(head->curve_count, sizeof *m->curve);
    if (m->curve == NULL) {
        model_free(m);
        return err_nomem(e, "the learning curve");
    }
    m->curve_count = head->curve_count;
    memcpy(m->curve, t->state.curve, head->curve_count * sizeof *m->curve);
    *out = m;
    return ERR_OK;
}

/* choose decides how the model is served: by validation, or as the first of two runs chose. */
static err_code choose(training *t, model *m, const train_header *head, err *e)
{
    if (head->stage == 1) {
        model_serve(m, head->serving);
        m->serving_gain = head->serving_gain;
        m->links_gain = head->links_gain;
        return choose_again(m, t->d, &t->p, &head->links, e);
    }
    if (t->borrowed || m->valid.users == 0) {
        return ERR_OK;
    }
    err_code code = choose_serving(m, t->d, e);
    return code == ERR_OK && !t->o->without_links ? choose_links(m, t->d, &t->p, e) : code;
}

static err_code finish(training *t, model **out, err *e)
{
    report(t, TRAIN_FINISHING, NULL);
    stepper_free(t->step);
    t->step = NULL;
    mem_free(t->scratch);
    t->scratch = NULL;
    err_code code = make_model(t, out, e);
    train_header head = *t->state.head;
    /* Free the state before the last steps, which need memory of their own. */
    train_state_fini(&t->state);
    if (!t->borrowed) {
        csr_free(t->p.a);
        t->p.a = NULL;
    }
    if (code == ERR_OK) {
        code = choose(t, *out, &head, e);
    }
    if (t->passed != NULL) {
        *t->passed = t->p;
        t->p = (prepared){0};
    } else if (!t->borrowed) {
        prepared_fini(&t->p);
    }
    if (code == ERR_OK) {
        code = train_served(*out, t->d, t->served, t->h, e);
    }
    if (code == ERR_OK) {
        code = model_count(*out, t->d->train, t->d->train_count, e);
    }
    if (code == ERR_OK) {
        (*out)->seconds = elapsed(t);
    }
    return code;
}

err_code train_stage_run(model **out, const train_job *job, err *e)
{
    *out = NULL;
    training t = {.d = job->d, .o = job->o, .h = job->h};
    t.served = job->served != NULL ? job->served : job->d;
    t.passed = job->stage == 0 ? job->passed : NULL;
    t.evaluates = job->stage == 0 && job->o->eval_every > 0 && job->d->valid_count > 0;
    err_code code = check_input(t.d, t.o, e);
    if (code != ERR_OK) {
        return code;
    }
    t.started = now(&t);
    t.saved_at = t.started;
    prepare_hooks hooks = {modality_begins, preparing_stopped, &t};
    if (job->prepared != NULL) {
        t.p = *job->prepared;
        t.borrowed = true;
    } else if (job->passed != NULL && job->passed->modalities != NULL) {
        code = prepare_again(&t.p, job->passed, t.d, t.o, e);
    } else {
        code = prepare_run(&t.p, t.d, t.o, &hooks, e);
    }
    if (code == ERR_OK) {
        code = alloc_small(&t, e);
    }
    if (code == ERR_OK) {
        code = begin(&t, job, e);
    }
    if (code == ERR_OK) {
        code = make_stepper(&t, e);
    }
    if (code == ERR_OK) {
        code = loop(&t, e);
    }
    if (code == ERR_OK) {
        code = finish(&t, out, e);
    }
    if (code != ERR_OK) {
        model_free(*out);
        *out = NULL;
    }
    stepper_free(t.step);
    mem_free(t.scratch);
    if (!t.borrowed) {
        prepared_fini(&t.p);
    }
    train_state_fini(&t.state);
    mem_free(t.w);
    mem_free(t.f);
    mem_free(t.b);
    batches_fini(&t.batches);
    mem_free(t.durations);
    return code;
}

err_code train_run(model **out, const dataset *d, const train_options *o, const train_hooks *h,
                   err *e)
{
    *out = NULL;
    train_job job = {.d = d, .o = o, .h = h};
    err_code code = ERR_OK;
    if (h->resume != NULL) {
        code = train_state_check(h->resume, h->resume_bytes, d, o, false, e);
    }
    return code == ERR_OK ? train_stage_run(out, &job, e) : code;
}
