/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/encoding.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/cli/command.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

static const double STEP_SECONDS = 1;

struct encoding {
    encode_run *run;
    encode_asks *asks;
    writer *writer;
    pthread_t thread;
    bool started;
    encoding_turn turn; /* immutable once started */
    atomic_bool stopping;
    atomic_bool mine; /* this process encodes the items */
    char told[128];   /* the last problem logged; used by the thread alone */
    metric_series *pending, *encoded, *refused, *failures;
    metric *asked;
    encode_status counted; /* the values that the metrics already include */
    encode_asks_status counted_asks;
};

static const metric_info info_pending = {.name = "stair_encoder_pending",
                                         .help = "Items whose text waits for the encoder.",
                                         .kind = METRIC_GAUGE};
static const metric_info info_encoded = {
    .name = "stair_encoder_items_total",
    .help = "Items whose text the encoder has turned into a vector.",
    .kind = METRIC_COUNTER};
static const metric_info info_refused = {.name = "stair_encoder_refused_total",
                                         .help = "Items whose text the encoder refused.",
                                         .kind = METRIC_COUNTER};
static const metric_info info_failures = {.name = "stair_encoder_failures_total",
                                          .help = "Failed calls to the encoder.",
                                          .kind = METRIC_COUNTER};

static const metric_info info_asked = {
    .name = "stair_encoder_asks_total",
    .help = "Texts of queries and of new items, by result: known, answered, late, "
            "failed, paused (after failed or late calls), busy, limited.",
    .kind = METRIC_COUNTER,
    .labels = {"result"}};

/* --- ops --- */

/* An op that the thread waits for. */
typedef struct own_job {
    writer_job job;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done; /* guarded by mutex */
} own_job;

static void job_ended(writer_job *j)
{
    own_job *own = j->ctx;
    pthread_mutex_lock(&own->mutex);
    own->done = true;
    pthread_cond_signal(&own->ended);
    pthread_mutex_unlock(&own->mutex);
}

static err_code apply_by_writer(void *ctx, op *o, err *e)
{
    encoding *x = ctx;
    own_job own = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    own.job = (writer_job){.op = o, .done = job_ended, .ctx = &own};
    if (writer_reserve(x->writer, 0) != WRITER_ADMITTED) {
        return err_set(e, ERR_UNAVAILABLE, "the queue of writes is full");
    }
    writer_submit(x->writer, &own.job);
    pthread_mutex_lock(&own.mutex);
    while (!own.done) {
        pthread_cond_wait(&own.ended, &own.mutex);
    }
    pthread_mutex_unlock(&own.mutex);
    const apply_result *r = own.job.result;
    /* It is no failure if a text or an item has changed meanwhile. */
    bool good = r->code == ERR_OK || r->code == ERR_CONFLICT || r->code == ERR_NOT_FOUND;
    err_code code = good ? ERR_OK : err_set(e, r->code, "%s", r->detail);
    writer_job_release(&own.job);
    pthread_cond_destroy(&own.ended);
    pthread_mutex_destroy(&own.mutex);
    return code;
}

/* --- the thread --- */

/* tell_problem logs a problem when it begins and when it ends. */
static void tell_problem(encoding *x)
{
    encode_status status;
    encode_run_tell(x->run, &status);
    if (strcmp(status.problem, x->told) == 0) {
        return;
    }
    if (status.problem[0] != '\0') {
        log_event(LOG_WARN, "encoder_failing", log_text("error", status.problem),
                  log_int("pending", status.pending));
    } else {
        log_event(LOG_INFO, "encoder_answers", log_int("pending", status.pending));
    }
    memcpy(x->told, status.problem, sizeof x->told);
}

/* take_turn checks whose turn it is. Later commits are noted; the scan finds what came before. */
static void take_turn(encoding *x)
{
    err e = ERR_INIT;
    bool before = atomic_load(&x->mine);
    bool mine = x->turn.mine == NULL || x->turn.mine(x->turn.ctx);
    atomic_store(&x->mine, mine);
    if (mine && !before && encode_run_scan(x->run, &e) != ERR_OK) {
        log_event(LOG_ERROR, "encoder_scan_failed", log_text("error", e.text));
    }
    if (!mine) {
        encode_run_forget(x->run);
    }
}

static void *encoding_main(void *argument)
{
    encoding *x = argument;
    pthread_setname_np(pthread_self(), "encoder");
    while (!atomic_load(&x->stopping)) {
        take_turn(x);
        err own = ERR_INIT;
        if (encode_run_step(x->run, STEP_SECONDS, &own) != ERR_OK) {
            log_event(LOG_WARN, "encoder_step_failed", log_text("error", own.text));
        }
        tell_problem(x);
    }
    return NULL;
}

void encoding_changed(void *ctx, const change_list *changes)
{
    encoding *x = ctx;
    bool any = false;
    for (size_t i = 0; i < changes->count && atomic_load(&x->mine); i++) {
        const change *c = &changes->items[i];
        if (c->kind == CHANGE_ITEM && c->item->texts_changed) {
            any = encode_run_add(x->run, c->item->row, NULL) == ERR_OK || any;
        }
    }
    if (any) {
        encode_run_wake(x->run);
    }
}

void encoding_tell(encoding *x, encode_status *out)
{
    encode_asks_status asks;
    encode_run_tell(x->run, out);
    encode_asks_tell(x->asks, &asks);
    if (out->problem[0] == '\0') { /* show an error of searches only if there is no other problem */
        memcpy(out->problem, asks.problem, sizeof out->problem);
    }
}

bool encoding_ask(encoding *x, encode_ask *ask)
{
    return encode_asks_submit(x->asks, ask);
}

static float *known_by_asks(void *ctx, slice text, uint32_t *width)
{
    encoding *x = ctx;
    return encode_asks_known(x->asks, text, width);
}

static void collect(void *ctx)
{
    encoding *x = ctx;
    encode_status s;
    encode_run_tell(x->run, &s);
    metric_set(x->pending, (double)s.pending);
    metric_count(x->encoded, s.encoded - x->counted.encoded);
    metric_count(x->refused, s.refused - x->counted.refused);
    metric_count(x->failures, s.failures - x->counted.failures);
    x->counted = s;
    encode_asks_status asks;
    encode_asks_tell(x->asks, &asks);
    for (int end = 0; end < ENCODE_ASK_ENDS; end++) {
        const char *name = encode_ask_end_name((encode_ask_end)end);
        metric_count(metric_at(x->asked, name, NULL, NULL),
                     asks.ends[end] - x->counted_asks.ends[end]);
    }
    x->counted_asks = asks;
}

/* --- making --- */

err_code encoding_new(encoding **out, store *s, const encoder_options *o, metrics *m, err *e)
{
    encoding *x = mem_array(1, sizeof *x);
    *out = NULL;
    if (x == NULL) {
        return err_nomem(e, "the encoder's thread");
    }
    encode_run_options options = {.store = s,
                                  .encoder = o,
                                  .apply = apply_by_writer,
                                  .known = known_by_asks,
                                  .now = clock_now,
                                  .seconds = clock_seconds,
                                  .ctx = x};
    const metric_plain all[] = {{&info_pending, &x->pending},
                                {&info_encoded, &x->encoded},
                                {&info_refused, &x->refused},
                                {&info_failures, &x->failures}};
    err_code code = encode_run_new(&x->run, &options, e);
    if (code == ERR_OK) {
        code = encode_asks_new(&x->asks, o, e);
    }
    if (code == ERR_OK) {
        code = metrics_add_plain(m, all, sizeof all / sizeof all[0], e);
    }
    if (code == ERR_OK) {
        code = metrics_add(m, &info_asked, &x->asked, e);
    }
    if (code == ERR_OK) {
        code = metrics_on_scrape(m, collect, x, e);
    }
    if (code != ERR_OK) {
        encoding_free(x);
        return code;
    }
    *out = x;
    return ERR_OK;
}

err_code encoding_start(encoding *x, writer *w, const encoding_turn *turn, err *e)
{
    x->writer = w;
    x->turn = *turn;
    if (pthread_create(&x->thread, NULL, encoding_main, x) != 0) {
        return err_set(e, ERR_IO, "the encoder's thread cannot start");
    }
    x->started = true;
    return ERR_OK;
}

void encoding_end_asks(encoding *x)
{
    if (x != NULL) {
        encode_asks_stop(x->asks);
    }
}

void encoding_stop(encoding *x)
{
    encoding_end_asks(x);
    if (x != NULL && x->started) {
        atomic_store(&x->stopping, true);
        encode_run_wake(x->run);
        pthread_join(x->thread, NULL);
        x->started = false;
    }
}

void encoding_free(encoding *x)
{
    if (x != NULL) {
        encoding_stop(x);
        encode_run_free(x->run);
        encode_asks_free(x->asks);
        mem_free(x);
    }
}
