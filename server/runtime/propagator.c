/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/propagator.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "server/cli/command.h"
#include "server/runtime/generation_base.h"
#include "server/runtime/generation_wanted.h"
#include "server/runtime/own_write.h"
#include "server/runtime/recall_sample.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "storage/models/generations.h"

static const double reader_check_seconds = 60;
static const double sample_seconds = 10;

struct propagator {
    propagator_options options; /* immutable */
    pthread_t thread;
    metric_series *activations, *load_seconds;
    /* an activation is waiting, or the service stops: cancel what can be cancelled */
    atomic_bool urgent;
    /* guarded by mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    writer_job *first, **last;
    bool look, stopping;
    base *warm; /* loaded before the log brings its activation; NULL if none */
    /* used by the thread alone */
    double looked_at, checked_at, sampled_at; /* when it last looked, checked readers, sampled */
    uint32_t considered; /* highest generation that was sent to the writer or tried by the watch */
    uint32_t given_up;   /* active generation that could not be loaded; 0 if none */
    bool unregistered;   /* a registration failed, and was logged */
    recall_sample *sample;
    convolution *convolution;
};

static const metric_info info_activations = {
    .name = "stair_model_activations_total",
    .help = "Activations of a generation, including roll-backs.",
    .kind = METRIC_COUNTER};
static const metric_info info_load_seconds = {.name = "stair_model_load_duration_seconds",
                                              .help =
                                                  "Time to read a generation and build its index.",
                                              .kind = METRIC_HISTOGRAM};
/* --- activation --------------------------------------------------------------------------- */

/* load reads a generation and adds later items. */
static err_code load(propagator *p, uint32_t generation, base **out, err *e)
{
    const propagator_options *o = &p->options;
    double began = clock_seconds();
    *out = NULL;
    err_code code = generation_ready(o->store, generation, e);
    if (code == ERR_OK) {
        live_hold hold;
        live_acquire(o->live, &hold);
        code = generation_base(out, o->store, hold.view, generation, o->threads, e);
        live_release(o->live, &hold);
    }
    if (code == ERR_OK) {
        metric_observe(p->load_seconds, clock_seconds() - began);
    }
    return code;
}

static void tell_failure(uint32_t generation, const err *why)
{
    log_event(why->code == ERR_NOT_FOUND ? LOG_INFO : LOG_ERROR, "activation_failed",
              log_int("generation", generation), log_text("error", why->text));
}

/* tell_activation records an activation. The next look may come before the writer has applied it,
 * and must not activate an older generation after it. */
static void tell_activation(propagator *p, uint32_t generation, double began)
{
    p->considered = generation > p->considered ? generation : p->considered;
    metric_count(p->activations, 1);
    log_event(LOG_INFO, "activating", log_int("generation", generation),
              log_real("seconds", clock_seconds() - began));
}

/* may_lack tells whether the tables may simply not be here yet. A node of a cluster may have to
 * activate a generation whose tables it has not downloaded. */
static bool may_lack(const propagator *p, err_code code)
{
    return p->options.follows && code == ERR_NOT_FOUND;
}

static void activate(propagator *p, writer_job *job)
{
    err e = ERR_INIT;
    double began = clock_seconds();
    uint32_t generation = job->op->generation;
    err_code code = generation != 0 ? load(p, generation, &job->base, &e) : ERR_OK;
    if (code != ERR_OK && !may_lack(p, code)) {
        tell_failure(generation, &e);
        writer_fail(p->options.writer, job, code, e.text);
        return;
    }
    tell_activation(p, generation, began);
    writer_submit(p->options.writer, job);
}

void propagator_activate(propagator *p, writer_job *job)
{
    pthread_mutex_lock(&p->mutex);
    bool stopping = p->stopping;
    if (!stopping) {
        job->next = NULL;
        *p->last = job;
        p->last = &job->next;
        atomic_store(&p->urgent, true);
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->mutex);
    if (stopping) {
        writer_fail(p->options.writer, job, ERR_UNAVAILABLE, "the service is stopping");
    }
}

/* activate_wanted activates a generation that the watch found. It tries once, because a failure
 * would repeat at every look, unless the queue was full. */
static void activate_wanted(propagator *p, uint32_t generation)
{
    err e = ERR_INIT;
    base *b = NULL;
    double began = clock_seconds();
    op o = {.kind = OP_GENERATION_ACTIVATE,
            .time = (int64_t)clock_now(),
            .count = 1,
            .generation = generation};
    err_code code = load(p, generation, &b, &e);
    if (code == ERR_OK) {
        tell_activation(p, generation, began);
        code = own_write(p->options.writer, &o, b, &e);
    }
    p->considered = code == ERR_UNAVAILABLE ? generation - 1 : generation;
    if (code != ERR_OK && code != ERR_UNAVAILABLE) {
        tell_failure(generation, &e);
    }
}

/* --- the watch ---------------------------------------------------------------------------- */

static err_code reclaim(void *ctx, err *e)
{
    (void)e;
    (void)live_reclaim(ctx);
    return ERR_OK;
}

/* register_ready registers generations that trainings have finished, and tells whether there was
 * any. */
static bool register_ready(propagator *p)
{
    err e = ERR_INIT;
    err_code code = ERR_OK;
    bool any = false;
    op *o = NULL;
    do {
        op_free(o);
        code = generation_unregistered(&o, p->options.store, (int64_t)clock_now(), &e);
        if (code == ERR_OK && o != NULL) {
            code = own_write(p->options.writer, o, NULL, &e);
        }
        any = any || (code == ERR_OK && o != NULL);
    } while (code == ERR_OK && o != NULL);
    op_free(o);
    if (code != ERR_OK && !p->unregistered) {
        log_event(LOG_WARN, "registration_failed", log_text("error", e.text));
    }
    p->unregistered = code != ERR_OK;
    return any;
}

static uint32_t serving(propagator *p)
{
    live_hold hold;
    live_acquire(p->options.live, &hold);
    uint32_t generation = view_generation(hold.view);
    live_release(p->options.live, &hold);
    return generation;
}

typedef struct switching {
    propagator *p;
    base *base; /* NULL only checks */
    /* the active generation, whose tables are here but which is not served; 0 if there is none */
    uint32_t behind;
} switching;

/* switch_in runs in the writer's thread, where the store and the view are of the same write. */
static err_code switch_in(void *ctx, err *e)
{
    switching *s = ctx;
    err_code code = generation_behind(&s->behind, s->p->options.store, serving(s->p), e);
    if (code == ERR_OK && s->base != NULL && base_generation(s->base) == s->behind) {
        base *b = s->base;
        s->base = NULL;
        code = live_serve(s->p->options.live, b, e);
    }
    return code;
}

/* catch_up serves the active generation if it was activated before its tables were here. */
static void catch_up(propagator *p)
{
    err e = ERR_INIT;
    switching s = {.p = p};
    writer *w = p->options.writer;
    double began = clock_seconds();
    err_code code = writer_call(w, switch_in, &s, &e);
    uint32_t behind = s.behind;
    if (code != ERR_OK || behind == 0 || behind == p->given_up) {
        return;
    }
    s.base = propagator_take_warm(p, behind);
    code = s.base == NULL ? load(p, behind, &s.base, &e) : ERR_OK;
    if (code == ERR_OK) {
        code = writer_call(w, switch_in, &s, &e);
    }
    bool switched = code == ERR_OK && s.base == NULL;
    base_release(s.base); /* another generation is active by now, or the writer has stopped */
    if (code != ERR_OK) {
        p->given_up = behind;
        tell_failure(behind, &e);
    } else if (switched) {
        log_event(LOG_INFO, "serving", log_int("generation", behind),
                  log_real("seconds", clock_seconds() - began));
    }
}

/* warm_up loads a generation before a log brings its activation. */
static void warm_up(propagator *p, uint32_t generation)
{
    err e = ERR_INIT;
    base *b = NULL;
    p->considered = generation;
    if (load(p, generation, &b, &e) != ERR_OK) {
        tell_failure(generation, &e);
        return;
    }
    pthread_mutex_lock(&p->mutex);
    base *before = p->warm;
    p->warm = b;
    pthread_mutex_unlock(&p->mutex);
    base_release(before);
}

static void watch(propagator *p, double now)
{
    err e = ERR_INIT;
    uint32_t wanted = 0, removed = 0;
    p->looked_at = now;
    if (generations_discard(p->options.store, &removed, &e) != ERR_OK ||
        generation_wanted(&wanted, p->options.store, p->considered, &e) != ERR_OK) {
        log_event(LOG_WARN, "store_watch_failed", log_text("error", e.text));
    }
    if (wanted != 0 && p->options.follows) {
        warm_up(p, wanted);
    } else if (wanted != 0) {
        activate_wanted(p, wanted);
    }
    if (p->options.follows) {
        catch_up(p);
    }
    if (now - p->checked_at >= reader_check_seconds) {
        p->checked_at = now;
        store_reader_check(p->options.store);
        (void)(writer_call(p->options.writer, reclaim, p->options.live, NULL) == ERR_OK);
    }
}

base *propagator_take_warm(propagator *p, uint32_t generation)
{
    base *b = NULL;
    pthread_mutex_lock(&p->mutex);
    if (p->warm != NULL && base_generation(p->warm) == generation) {
        b = p->warm;
        p->warm = NULL;
    }
    pthread_mutex_unlock(&p->mutex);
    return b;
}

uint32_t propagator_warmed(propagator *p)
{
    pthread_mutex_lock(&p->mutex);
    uint32_t generation = p->warm != NULL ? base_generation(p->warm) : 0;
    pthread_mutex_unlock(&p->mutex);
    return generation;
}

/* --- the thread --------------------------------------------------------------------------- */

static void wait_a_while(propagator *p)
{
    double step = p->options.watch_seconds < 1 ? p->options.watch_seconds : 1;
    struct timespec until = clock_deadline((uint64_t)(step * NS_PER_SECOND));
    (void)pthread_cond_timedwait(&p->wake, &p->mutex, &until);
}

static void *propagator_main(void *argument)
{
    propagator *p = argument;
    pthread_setname_np(pthread_self(), "propagator");
    pthread_mutex_lock(&p->mutex);
    while (!p->stopping) {
        if (p->first == NULL && !p->look) {
            wait_a_while(p);
        }
        writer_job *jobs = p->first;
        bool look = p->look;
        p->first = NULL;
        p->last = &p->first;
        p->look = false;
        atomic_store(&p->urgent, p->stopping);
        pthread_mutex_unlock(&p->mutex);
        while (jobs != NULL) {
            writer_job *next = jobs->next;
            activate(p, jobs);
            jobs = next;
        }
        look = register_ready(p) || look;
        double now = clock_seconds();
        if (look || now - p->looked_at >= p->options.watch_seconds) {
            watch(p, now);
        }
        convolution_run_if_due(p->convolution, now);
        if (now - p->sampled_at >= sample_seconds) {
            p->sampled_at = now;
            recall_sample_next(p->sample, p->options.live);
        }
        pthread_mutex_lock(&p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

void propagator_look(propagator *p)
{
    pthread_mutex_lock(&p->mutex);
    p->look = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->mutex);
}

/* --- life --------------------------------------------------------------------------------- */

static err_code declare(propagator *p, err *e)
{
    const metric_plain all[] = {
        {&info_activations, &p->activations},
        {&info_load_seconds, &p->load_seconds},
    };
    return metrics_add_plain(p->options.metrics, all, sizeof all / sizeof all[0], e);
}

static bool is_urgent(void *ctx)
{
    return atomic_load_explicit(&((propagator *)ctx)->urgent, memory_order_relaxed);
}

static err_code start_convolution(propagator *p, err *e)
{
    const propagator_options *o = &p->options;
    convolution_options options = {
        .live = o->live,
        .writer = o->writer,
        .metrics = o->metrics,
        .threads = o->threads,
        .pace = o->pace,
        .cancelled = is_urgent,
        .ctx = p,
    };
    return convolution_new(&p->convolution, &options, e);
}

err_code propagator_new(propagator **out, const propagator_options *options, err *e)
{
    *out = NULL;
    propagator *p = mem_array(1, sizeof *p);
    if (p == NULL) {
        return err_nomem(e, "the propagator");
    }
    p->options = *options;
    p->last = &p->first;
    p->checked_at = p->looked_at = p->sampled_at = clock_seconds();
    store_info info;
    err_code code = store_stat(options->store, &info, e);
    if (code == ERR_OK) {
        p->considered = info.generation;
        /* it was tried at the start */
        p->given_up = serving(p) != info.generation ? info.generation : 0;
        code = declare(p, e);
    }
    if (code == ERR_OK) {
        code = recall_sample_new(&p->sample, options->metrics, e);
    }
    if (code == ERR_OK) {
        code = start_convolution(p, e);
    }
    if (code != ERR_OK) {
        recall_sample_free(p->sample);
        mem_free(p);
        return code;
    }
    pthread_mutex_init(&p->mutex, NULL);
    clock_cond_init(&p->wake);
    int failed = pthread_create(&p->thread, NULL, propagator_main, p);
    if (failed != 0) {
        p->stopping = true;
        propagator_free(p);
        return err_set(e, ERR_IO, "the propagator's thread: %s", strerror(failed));
    }
    *out = p;
    return ERR_OK;
}

double propagator_lag(propagator *p)
{
    return convolution_lag(p->convolution);
}

bool propagator_failing(propagator *p)
{
    return convolution_failing(p->convolution);
}

void propagator_stop(propagator *p)
{
    pthread_mutex_lock(&p->mutex);
    bool first = !p->stopping;
    p->stopping = true;
    atomic_store(&p->urgent, true);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    if (!first) {
        return;
    }
    pthread_join(p->thread, NULL);
    while (p->first != NULL) {
        writer_job *next = p->first->next;
        writer_fail(p->options.writer, p->first, ERR_UNAVAILABLE, "the service is stopping");
        p->first = next;
    }
}

void propagator_free(propagator *p)
{
    if (p == NULL) {
        return;
    }
    if (!p->stopping) {
        propagator_stop(p);
    }
    convolution_free(p->convolution);
    recall_sample_free(p->sample);
    base_release(p->warm);
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->wake);
    mem_free(p);
}
