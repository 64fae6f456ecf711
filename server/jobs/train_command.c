/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_command: the work of `stair train` and `stair tune`, from opening the store to the report.
 */
#include "server/jobs/train_command.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/serve/state/untaken.h"
#include "core/train/loop/holdout.h"
#include "core/train/loop/train.h"
#include "core/train/loop/train_measure.h"
#include "core/train/loop/tune.h"
#include "server/checkup/machine.h"
#include "server/cli/result.h"
#include "server/jobs/baselines.h"
#include "server/jobs/train_follow.h"
#include "server/jobs/train_monitor.h"
#include "server/jobs/train_publish.h"
#include "server/jobs/train_quota.h"
#include "server/jobs/train_report.h"
#include "server/jobs/tune_report.h"
#include "server/runtime/model_json.h"
#include "server/telemetry/clock.h"
#include "storage/maintenance/recover.h"
#include "storage/models/checkpoint_file.h"

typedef struct job {
    const train_arguments *a;
    train_request request;
    store *s;
    dataset *d;
    store_info origin;
    train_monitor monitor;
    void *checkpoint; /* the checkpoint to resume from, or NULL */
    size_t checkpoint_bytes;
    bool refit;
    model *m;
    publication_result published;
    tune_result *tuned;  /* result of the tuning, or NULL */
    train_options asked; /* the options before the tuning changed them */
    bool tuned_all;      /* `stair tune`, which has no --progress-fd */
    /* on the validation interactions; nothing measured if there are none */
    baseline_figures beside;
} job;

static err_code open_store(job *j, err *e)
{
    store_options so = {
        .mode = STORE_BESIDE, .training = true, .quota_bytes = j->a->quota, .now = clock_now()};
    err_code code = recover_open(&j->s, j->a->store, &so, e);
    if (code == ERR_OK) {
        dataset_load_options o = {.neighbours = j->request.neighbours,
                                  .neighbour_count = j->request.neighbour_count,
                                  .words = j->request.words,
                                  .threads = j->request.options.threads,
                                  .cancelled = interrupt_requested};
        code = dataset_load(j->s, &o, &j->d, &j->origin, e);
    }
    if (code == ERR_OK && j->d->train_count == 0) {
        code = err_set(e, ERR_INVALID,
                       "%s: nothing to train on: the store has no training interactions; add some "
                       "with stair import",
                       j->a->store);
    }
    return code;
}

static err_code take_checkpoint(job *j, err *e)
{
    if (!j->a->resume) {
        return ERR_OK;
    }
    err none = ERR_INIT;
    err_code code = checkpoint_file_take(j->s, &j->checkpoint, &j->checkpoint_bytes, &none);
    if (code == ERR_NOT_FOUND) {
        fprintf(stderr, "no checkpoint to resume from; training starts from the beginning\n");
        return ERR_OK;
    }
    return code == ERR_OK ? ERR_OK : err_set(e, code, "%s", none.text);
}

static void tell_trial(void *ctx, const tune_trial *t, uint32_t epochs, uint32_t budget)
{
    const job *j = ctx;
    tune_report_trial(result_stream(j->a->json), t, j->d, epochs, budget);
}

/* choose replaces the requested options by those that validation prefers. */
static err_code choose(job *j, train_mode mode, err *e)
{
    if (mode == TRAIN_AS_TOLD && !j->request.gamma_auto) {
        return ERR_OK;
    }
    tune_options o = {.budget_epochs = (uint32_t)j->a->budget_epochs,
                      .gamma_only = mode == TRAIN_AS_TOLD,
                      .trial = tell_trial,
                      .ctx = j,
                      .cancelled = interrupt_requested};
    train_monitor_init(&j->monitor, &j->request.options);
    tune_report_begin(result_stream(j->a->json), &j->request.options, j->monitor.metric);
    j->asked = j->request.options;
    err_code code = tune_run(&j->tuned, j->d, &j->request.options, &o, e);
    if (code == ERR_CANCELLED) {
        err_context(e, "stopped while choosing options; nothing is kept");
    }
    if (code != ERR_OK) {
        return code;
    }
    tune_report_chosen(stderr, &j->tuned->best, &j->asked, j->d);
    j->request.options = j->tuned->best.options;
    tune_apply(&j->tuned->best, j->d);
    return ERR_OK;
}

static void tell_unsaved(void *ctx, const err *why)
{
    train_monitor *w = ctx;
    progress_line(&w->bar,
                  "warning: the checkpoint could not be written: %s; the training continues",
                  why->text);
}

static err_code train(job *j, err *e)
{
    j->monitor = (train_monitor){.s = j->s,
                                 .seq = j->origin.seq,
                                 .progress_fd = j->tuned_all ? -1 : (int)j->a->progress_fd,
                                 .quiet = false};
    train_monitor_init(&j->monitor, &j->request.options);
    train_hooks hooks = train_monitor_hooks(&j->monitor);
    hooks.unsaved = tell_unsaved;
    hooks.place = untaken_place;
    hooks.resume = j->checkpoint;
    hooks.resume_bytes = j->checkpoint_bytes;
    j->refit = j->a->refit || j->d->valid_count == 0;
    err_code code = j->refit ? train_refit(&j->m, j->d, &j->request.options, &hooks, e)
                             : train_run(&j->m, j->d, &j->request.options, &hooks, e);
    train_monitor_end(&j->monitor);
    if (code == ERR_CANCELLED && j->monitor.saved) {
        err_context(e, j->tuned == NULL ? "stopped; continue from the checkpoint with --resume"
                                        : "stopped; continue from the checkpoint with stair train "
                                          "--resume, the same options and the chosen ones");
    }
    return code;
}

static err_code publish(job *j, err *e)
{
    publication p = {.s = j->s,
                     .origin = &j->origin,
                     .d = j->d,
                     .m = j->m,
                     .refit = j->refit,
                     .wish = (activate_wish)j->a->activate,
                     .now = clock_now()};
    err_code code = train_publish(&p, &j->published, e);
    if (code == ERR_OK) {
        code = checkpoint_file_remove(j->s, e);
    }
    return code;
}

/* number has the generation registered. The store is already closed. */
static err_code number(job *j, err *e)
{
    char id[GENERATION_ID_TEXT];
    generation_id_text(&j->published.id, id);
    /* so the service need not wait for its next look */
    train_monitor_tell(&j->monitor, "ready=%s", id);
    err_code code = train_register(j->a->store, &j->published, e);
    if (code == ERR_OK) {
        train_monitor_tell(&j->monitor, "generation=%u", j->published.generation);
    }
    return code;
}

/* compare measures the baselines on the interactions that selected the epoch. */
static err_code compare(job *j, err *e)
{
    if (j->m->valid.users == 0) {
        return ERR_OK;
    }
    eval_options o = train_metrics(&j->m->options, EVAL_VALID);
    dataset *x = NULL;
    err_code code = holdout_new(&x, j->d, e);
    o.cancelled = interrupt_requested;
    if (code == ERR_OK) {
        baselines_ask ask = {.d = x, .options = &o, .threads = j->m->options.threads};
        ask.wanted[BASELINE_POPULAR] = ask.wanted[BASELINE_ITEMKNN] = true;
        code = baselines_run(&j->beside, &ask, e);
    }
    dataset_free(x);
    return code;
}

static baseline_verdict verdict(const job *j)
{
    const train_options *o = &j->m->options;
    return baselines_judge(&j->beside, &j->m->valid, o->select_metric, o->select_at);
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static void tell_activation(FILE *to, const job *j)
{
    const comparison *c = &j->published.comparison;
    if (c->compared) {
        fprintf(to, "validation %s: %.4f, the active generation's %.4f\n", j->monitor.metric,
                c->mine, c->active);
    }
    if (j->published.activate) {
        fprintf(to, "%s\n", j->published.active ? "active" : "the server will activate it");
    } else if (c->why[0] != '\0') {
        fprintf(to,
                "not activated: %s; to activate it nevertheless: stair generations --activate %u\n",
                c->why, j->published.generation);
    } else {
        fprintf(to, "not activated\n");
    }
}

static void tell_people(const job *j)
{
    const model *m = j->m;
    FILE *to = result_stream(j->a->json);
    if (j->published.generation == 0) {
        fprintf(stderr, "the service has not given the generation a number yet\n");
    }
    fprintf(to, "generation %u: %u epochs, best %u, %.1f s, %.3f s an epoch, %.0f MiB\n",
            j->published.generation, m->epochs, m->best_epoch, m->seconds, m->seconds_per_epoch,
            peak_mib());
    report_ranks(to, m);
    report_served(to, m);
    if (j->tuned != NULL) {
        tune_report_chosen(to, &j->tuned->best, &j->asked, j->d);
    }
    fprintf(to, "protocol %s; masked for test: %s; users dropped: %zu%s\n",
            eval_protocol_name(m->options.protocol),
            eval_protocol_mask(m->options.protocol, EVAL_TEST), model_judged(m)->dropped,
            j->refit ? "; trained on validation too" : "");
    report_judged(to, model_judged(m));
    if (m->valid.users > 0) {
        report_line(to, "validation", &m->valid);
    }
    for (int kind = 0; kind < BASELINES; kind++) {
        if (j->beside.measured[kind]) {
            report_line(to, baseline_name((baseline_kind)kind), &j->beside.of[kind]);
        }
    }
    if (m->test.users > 0) {
        report_line(to, "test", &m->test);
    }
    baseline_verdict v = verdict(j);
    baseline_advice advice = {.what = "this model",
                              .metric = j->monitor.metric,
                              .last_epoch = m->best_epoch == m->epochs,
                              .tuned = j->tuned_all};
    baselines_advise(to, &v, &advice);
    tell_activation(to, j);
}

static err_code tell_json(const job *j, err *e)
{
    const model *m = j->m;
    uint32_t neighbours[MODALITIES_MAX] = {0};
    for (size_t i = 0; i < m->modality_count; i++) {
        neighbours[i] = m->modalities[i].neighbours;
    }
    json_t *options = model_options_json(&m->options);
    json_object_set_new(options, "neighbours", tune_report_neighbours(neighbours, m));
    json_t *out = json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:f, s:s, s:s, s:I, s:b, s:b, s:o}", "generation",
        (json_int_t)j->published.generation, "epochs", (json_int_t)m->epochs, "best_epoch",
        (json_int_t)m->best_epoch, "seconds", m->seconds, "seconds_per_epoch", m->seconds_per_epoch,
        "peak_rss_mib", peak_mib(), "protocol", eval_protocol_name(m->options.protocol), "mask",
        eval_protocol_mask(m->options.protocol, EVAL_TEST), "users_dropped",
        (json_int_t)model_judged(m)->dropped, "refit", j->refit, "activated", j->published.activate,
        "options", options);
    if (out == NULL) {
        return err_nomem(e, "the report");
    }
    if (j->tuned != NULL) {
        json_object_set_new(out, "trials", tune_report_trials(j->tuned, m));
        json_object_set_new(out, "tune_epochs", json_integer((json_int_t)j->tuned->epochs));
    }
    report_judged_json(out, model_judged(m));
    json_object_set_new(out, "served", model_served_json(m));
    json_t *beside = json_object();
    for (int kind = 0; kind < BASELINES; kind++) {
        if (j->beside.measured[kind]) {
            json_object_set_new(beside, baseline_name((baseline_kind)kind),
                                model_metrics_json(&j->beside.of[kind]));
        }
    }
    json_object_set_new(out, "valid_baselines", beside);
    baseline_verdict v = verdict(j);
    json_object_set_new(out, "baseline_ahead",
                        v.best == BASELINES ? json_null() : json_string(baseline_name(v.best)));
    const char *why = j->published.comparison.why;
    json_object_set_new(out, "not_activated", why[0] != '\0' ? json_string(why) : json_null());
    json_object_set_new(out, "valid", model_metrics_json(&m->valid));
    json_object_set_new(out, "test", model_metrics_json(&m->test));
    err_code code = result_json(out, JSON_REAL_PRECISION(9), "the report", e);
    json_decref(out);
    return code;
}

typedef struct usage {
    const command_call *call;
    err *e;
} usage;

/* tell_usage reports only the first of several faults. */
static void tell_usage(void *ctx, const char *name, slice part, const char *why)
{
    const usage *u = ctx;
    (void)command_usage(u->call, u->e, "--%s: %.*s%s%s", name, (int)part.length,
                        part.at != NULL ? part.at : "", part.at != NULL ? ": " : "", why);
}

static err_code make_request(job *j, const command_call *call, err *e)
{
    usage told = {call, e};
    train_faults faults = {tell_usage, &told};
    return train_request_make(&j->request, j->a, call->values, &faults) ? ERR_OK : ERR_INVALID;
}

err_code train_command_run(const command_call *call, train_mode mode, err *e)
{
    const train_arguments *a = call->options;
    job *j = mem_array(1, sizeof *j);
    if (j == NULL) {
        return err_nomem(e, "a training");
    }
    j->a = a;
    j->tuned_all = mode == TRAIN_TUNED;
    err_code code = make_request(j, call, e);
    if (code == ERR_OK && !j->tuned_all) {
        code = train_follow((int)a->progress_fd, e);
    }
    /* Buffers come first, because the store's map takes what is left of a limited address space. */
    if (code == ERR_OK) {
        code = blas_reserve(j->request.options.threads, e);
    }
    if (code == ERR_OK) {
        code = open_store(j, e);
    }
    if (code == ERR_OK) {
        train_options_fit(&j->request.options, j->d->train_count, j->d->modality_count > 0);
        code = train_quota_check(j->s, j->d, &j->request.options, e);
    }
    if (code == ERR_OK) {
        machine here;
        machine_look(&here, a->store);
        code = train_memory_check(j->d, &j->request.options, here.memory, e);
    }
    if (code == ERR_OK) {
        code = take_checkpoint(j, e);
    }
    if (code == ERR_OK) {
        code = choose(j, mode, e);
    }
    if (code == ERR_OK) {
        code = train(j, e);
    }
    if (code == ERR_OK) {
        code = compare(j, e);
    }
    if (code == ERR_OK) {
        code = publish(j, e);
    }
    mem_free(j->checkpoint);
    store_close(j->s);
    if (code == ERR_OK) {
        code = number(j, e);
    }
    if (code == ERR_OK) {
        tell_people(j);
        code = a->json ? tell_json(j, e) : ERR_OK;
    }
    tune_result_free(j->tuned);
    dataset_free(j->d);
    model_free(j->m);
    mem_free(j);
    return code;
}
