/*
 * stair train: from the store's data to a new generation, beside a live server or without one.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/mem.h"
#include "core/train.h"
#include "server/command.h"
#include "server/train_arguments.h"
#include "server/train_publish.h"
#include "server/train_report.h"
#include "server/train_watch.h"
#include "storage/checkpoint_file.h"

static const option table[] = {
    TRAIN_SHARED_OPTIONS,
    {.name = "refit",
     .type = OPTION_BOOL,
     .offset = offsetof(train_arguments, refit),
     .help = "after the best epoch is found, train that many epochs on all interactions; always so "
             "where none is set aside for validation"},
    {.name = "resume",
     .type = OPTION_BOOL,
     .offset = offsetof(train_arguments, resume),
     .not_configured = true,
     .help = "go on from the checkpoint of a training that was stopped or killed"},
    {.name = "activate",
     .type = OPTION_CHOICE,
     .offset = offsetof(train_arguments, activate),
     .choices = "auto|yes|no",
     .help = "whether the result takes over; auto: if its validation metric is at least 0.98 of "
             "the active generation's"},
    {.name = "progress-fd",
     .type = OPTION_INT,
     .offset = offsetof(train_arguments, progress_fd),
     .initial = "-1",
     .min = -1,
     .max = 1024,
     .not_configured = true,
     .help = "descriptor that gets a line an epoch, for whoever started this"},
    OPTION_JSON(train_arguments),
    OPTION_END};

typedef struct job {
    const train_arguments *a;
    train_request request;
    store *s;
    dataset *d;
    store_info origin;
    train_watch watch;
    void *checkpoint; /* to resume from, or NULL */
    size_t checkpoint_bytes;
    bool refit;
    model *m;
    publication_result published;
    bool active; /* the new generation serves, or will as soon as the server has loaded it */
} job;

static err_code open_store(job *j, err *e)
{
    store_options so = {.mode = STORE_BESIDE, .now = clock_now()};
    err_code code = store_open(&j->s, j->a->store, &so, e);
    if (code == ERR_OK) {
        code = store_train_lock(j->s, e);
    }
    if (code == ERR_OK) {
        dataset_load_options o = {j->request.neighbours, j->request.neighbour_count};
        code = dataset_load(j->s, &o, &j->d, &j->origin, e);
    }
    if (code == ERR_OK && j->d->train_count == 0) {
        code =
            err_set(e, ERR_INVALID,
                    "%s: nothing to train on, no interaction of the training split; stair import "
                    "brings some",
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
        fprintf(stderr, "no checkpoint to resume; training from the start\n");
        return ERR_OK;
    }
    return code == ERR_OK ? ERR_OK : err_set(e, code, "%s", none.text);
}

static err_code train(job *j, err *e)
{
    j->watch = (train_watch){
        .s = j->s, .seq = j->origin.seq, .progress_fd = (int)j->a->progress_fd, .quiet = false};
    train_watch_init(&j->watch, &j->request.options);
    train_hooks hooks = train_watch_hooks(&j->watch);
    hooks.resume = j->checkpoint;
    hooks.resume_bytes = j->checkpoint_bytes;
    j->refit = j->a->refit || j->d->valid_count == 0;
    err_code code = j->refit ? train_refit(&j->m, j->d, &j->request.options, &hooks, e)
                             : train_run(&j->m, j->d, &j->request.options, &hooks, e);
    train_watch_end(&j->watch);
    if (code == ERR_CANCELLED && j->watch.saved) {
        err_context(e, "stopped; --resume goes on from the checkpoint");
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
    if (code == ERR_OK) {
        train_watch_tell(&j->watch, "generation=%u", j->published.generation);
    }
    return code;
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static void tell_people(const job *j)
{
    const model *m = j->m;
    fprintf(stderr, "generation %u: %u epochs, best %u, %.1f s, %.3f s an epoch, %.0f MiB\n",
            j->published.generation, m->epochs, m->best_epoch, m->seconds, m->seconds_per_epoch,
            peak_mib());
    fprintf(stderr, "protocol %s; masked for test: %s\n", eval_protocol_name(m->options.protocol),
            eval_protocol_mask(m->options.protocol, EVAL_TEST));
    if (m->valid.users > 0) {
        report_line(stderr, "validation", &m->valid);
    }
    if (m->test.users > 0) {
        report_line(stderr, "test", &m->test);
    }
    if (j->published.compared > 0) {
        fprintf(stderr, "%s of the active generation: %.4f\n", j->watch.metric,
                j->published.compared);
    }
    fprintf(stderr, "%s\n",
            !j->published.activate ? "not activated"
            : j->active            ? "active"
                                   : "the server will activate it");
}

static err_code tell_json(const job *j, err *e)
{
    const model *m = j->m;
    json_t *out = json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:f, s:s, s:s, s:I, s:b, s:b, s:o}", "generation",
        (json_int_t)j->published.generation, "epochs", (json_int_t)m->epochs, "best_epoch",
        (json_int_t)m->best_epoch, "seconds", m->seconds, "seconds_per_epoch", m->seconds_per_epoch,
        "peak_rss_mib", peak_mib(), "protocol", eval_protocol_name(m->options.protocol), "mask",
        eval_protocol_mask(m->options.protocol, EVAL_TEST), "users_dropped",
        (json_int_t)m->test.dropped, "refit", j->refit, "activated", j->published.activate,
        "options", report_options(&m->options));
    if (out == NULL) {
        return err_nomem(e, "the report");
    }
    json_object_set_new(out, "valid", m->valid.users > 0 ? report_metrics(&m->valid) : json_null());
    json_object_set_new(out, "test", m->test.users > 0 ? report_metrics(&m->test) : json_null());
    json_dumpf(out, stdout, JSON_REAL_PRECISION(9));
    fputc('\n', stdout);
    json_decref(out);
    return ERR_OK;
}

static err_code run(const command_call *call, err *e)
{
    const train_arguments *a = call->options;
    job *j = mem_array(1, sizeof *j);
    if (j == NULL) {
        return err_nomem(e, "a training");
    }
    j->a = a;
    err_code code = train_request_make(&j->request, call, a, e);
    if (code == ERR_OK) {
        code = open_store(j, e);
    }
    if (code == ERR_OK) {
        code = take_checkpoint(j, e);
    }
    if (code == ERR_OK) {
        code = train(j, e);
    }
    if (code == ERR_OK) {
        code = publish(j, e);
    }
    mem_free(j->checkpoint);
    dataset_free(j->d);
    store_close(j->s);
    if (code == ERR_OK && j->published.activate) {
        code = train_activate(a->store, j->published.generation, &j->active, e);
    }
    if (code == ERR_OK) {
        tell_people(j);
        code = a->json ? tell_json(j, e) : ERR_OK;
    }
    model_free(j->m);
    mem_free(j);
    return code;
}

const command cmd_train = {
    .name = "train",
    .summary = "learn from the store's interactions and features; writes a generation",
    .options = table,
    .options_bytes = sizeof(train_arguments),
    .run = run,
};
