/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/convolution.h"

#include <stdatomic.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/serve/update/propagate.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

struct convolution {
    convolution_options options; /* immutable */
    metric_series *runs, *run_seconds;
    double ran_at; /* used by the propagator's thread alone */
    atomic_bool failing;
    atomic_uint_fast64_t waiting_since; /* the bits of a double; 0 if nothing waits */
};

static const metric_info info_runs = {.name = "stair_propagation_runs_total",
                                      .help = "Runs of the convolution in the background.",
                                      .kind = METRIC_COUNTER};
static const metric_info info_run_seconds = {
    .name = "stair_propagation_duration_seconds",
    .help = "Time of one run of the convolution over the whole graph.",
    .kind = METRIC_HISTOGRAM};

static double bits_double(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void note_waiting(convolution *c, uint64_t changes, double now)
{
    uint64_t bits = 0;
    if (changes > 0) {
        if (atomic_load(&c->waiting_since) != 0) {
            return;
        }
        memcpy(&bits, &now, sizeof bits);
    }
    atomic_store(&c->waiting_since, bits);
}

double convolution_lag(convolution *c)
{
    uint64_t bits = atomic_load(&c->waiting_since);
    return bits != 0 ? clock_seconds() - bits_double(bits) : 0;
}

bool convolution_failing(convolution *c)
{
    return atomic_load(&c->failing);
}

typedef struct swap {
    live *live;
    base *base;
    bool swapped;
} swap;

/* swap_in installs the new base. It runs in the writer's thread. */
static err_code swap_in(void *ctx, err *e)
{
    swap *s = ctx;
    base *b = s->base;
    s->base = NULL;
    return live_swap(s->live, b, &s->swapped, e);
}

static void run(convolution *c, const view *v)
{
    const convolution_options *o = &c->options;
    err e = ERR_INIT;
    double began = clock_seconds();
    swap s = {.live = o->live};
    propagate_options options = {.threads = o->threads, .cancelled = o->cancelled, .ctx = o->ctx};
    err_code code = propagate_run(&s.base, v, &options, &e);
    if (code == ERR_OK && s.base != NULL) {
        code = writer_call(o->writer, swap_in, &s, &e);
        base_release(s.base); /* set only if the writer had stopped */
    }
    c->ran_at = clock_seconds();
    if (code == ERR_CANCELLED) {
        return;
    }
    atomic_store(&c->failing, code != ERR_OK);
    if (code != ERR_OK) {
        log_event(LOG_ERROR, "propagation_failed", log_text("error", e.text));
        return;
    }
    atomic_store(&c->waiting_since, 0);
    metric_count(c->runs, 1);
    metric_observe(c->run_seconds, c->ran_at - began);
    log_event(LOG_INFO, "propagated", log_bool("swapped", s.swapped),
              log_real("seconds", c->ran_at - began));
}

void convolution_run_if_due(convolution *c, double now)
{
    const convolution_options *o = &c->options;
    live_hold hold;
    view_stats stats;
    live_acquire(o->live, &hold);
    view_stats_get(hold.view, &stats);
    uint64_t changes = stats.generation != 0 ? stats.changes : 0;
    note_waiting(c, changes, now);
    if (changes == 0) {
        /* the new generation already includes the changes of a failed run */
        atomic_store(&c->failing, false);
    }
    const convolution_pace *pace = &o->pace;
    bool enough = pace->changes > 0 && changes >= pace->changes;
    bool late = pace->changes > 0 && changes > 0 && convolution_lag(c) >= pace->within_seconds;
    if ((enough || late) && now - c->ran_at >= pace->seconds) {
        run(c, hold.view);
    }
    live_release(o->live, &hold);
}

err_code convolution_new(convolution **out, const convolution_options *options, err *e)
{
    *out = NULL;
    convolution *c = mem_array(1, sizeof *c);
    if (c == NULL) {
        return err_nomem(e, "the convolution in the background");
    }
    c->options = *options;
    c->ran_at = clock_seconds();
    const metric_plain all[] = {{&info_runs, &c->runs}, {&info_run_seconds, &c->run_seconds}};
    err_code code = metrics_add_plain(options->metrics, all, sizeof all / sizeof all[0], e);
    if (code != ERR_OK) {
        mem_free(c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

void convolution_free(convolution *c)
{
    mem_free(c);
}
