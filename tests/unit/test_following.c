/* SPDX-License-Identifier: Apache-2.0 */
/* An engine that follows a log: reads wait for writes that have not arrived, and a generation is
 * activated before its tables are here. Also run under TSan. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/rng.h"
#include "core/train/loop/train.h"
#include "server/load/dataset_load.h"
#include "server/runtime/engine.h"
#include "server/runtime/seq_waits.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "server/telemetry/metrics.h"
#include "storage/log/generation_ops.h"
#include "storage/models/generation_stream.h"
#include "storage/models/model_private.h"
#include "storage/models/model_store.h"
#include "tests/support/engine_write.h"
#include "tests/support/store_fixture.h"

enum { ITEMS = 20, USERS = 8, WIDTH = 4, WRITERS = 3, READERS = 4, WAITS_EACH = 400 };
static const uint64_t long_ns = 60000000000U;

typedef struct world {
    char folder[TEMP_PATH_MAX];
    metrics *metrics;
    engine *engine;
    atomic_bool stop;
    atomic_int wrong;
    /* The waits begun, and how they ended. */
    atomic_size_t begun, seen, over, early, refused;
} world;

static void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fail_msg("%s", e->text);
    }
}

static void on_fatal(void *ctx, const char *why)
{
    (void)why;
    atomic_fetch_add(&((world *)ctx)->wrong, 1);
}

static err_code write_now(world *w, op *o)
{
    return engine_write(w->engine, o, NULL);
}

static void world_open(world *w)
{
    err e = ERR_INIT;
    log_setup(LOG_NONE, 2);
    temp_folder(w->folder);
    assert_int_equal(metrics_new(&w->metrics, &e), ERR_OK);
    engine_options options = {
        .dir = w->folder,
        .queue_jobs_max = 64,
        .queue_bytes_max = 1 << 20,
        .waits_max = SEQ_WAITS_MAX,
        .threads = 1,
        .watch_seconds = 0.01,
        .follows = true,
        .metrics = w->metrics,
        .fatal = on_fatal,
        .fatal_ctx = w,
    };
    must(engine_open(&w->engine, &options, &e), &e);
    for (int i = 0; i < ITEMS; i++) {
        char item[16];
        float features[WIDTH] = {(float)i, (float)(i % 3), (float)(i % 5), 1};
        snprintf(item, sizeof item, "i%d", i);
        assert_int_equal(write_now(w, op_put_item(OP_ITEMS_CREATE, item, "x", features, WIDTH)),
                         ERR_OK);
    }
}

static void world_close(world *w)
{
    assert_int_equal(atomic_load(&w->wrong), 0);
    engine_close(w->engine);
    metrics_free(w->metrics);
    temp_remove(w->folder);
}

static uint64_t seq_now(world *w)
{
    live_hold hold;
    live_acquire(engine_live(w->engine), &hold);
    uint64_t seq = view_seq(hold.view);
    live_release(engine_live(w->engine), &hold);
    return seq;
}

/* --- waits --- */

/* on_seen runs in the thread of the waits. It counts what a request that is continued here would
 * see. */
static void on_seen(seq_wait *wait)
{
    world *w = wait->ctx;
    if (wait->over) {
        atomic_fetch_add(&w->over, 1);
    } else if (seq_now(w) < wait->seq) {
        atomic_fetch_add(&w->early, 1);
    } else {
        atomic_fetch_add(&w->seen, 1);
    }
    free(wait);
}

static bool begin_wait(world *w, uint64_t seq, uint64_t ns)
{
    seq_wait *wait = calloc(1, sizeof *wait);
    wait->seq = seq;
    wait->until_ns = clock_ns() + ns;
    wait->done = on_seen;
    wait->ctx = w;
    bool taken = engine_wait(w->engine, wait);
    if (!taken) {
        free(wait);
    }
    atomic_fetch_add(taken ? &w->begun : &w->refused, 1);
    return taken;
}

static void *write_on(void *ctx)
{
    world *w = ctx;
    for (int i = 0; !atomic_load(&w->stop); i++) {
        char user[16], item[16];
        snprintf(user, sizeof user, "u%d", i % USERS);
        snprintf(item, sizeof item, "i%d", i % ITEMS);
        if (write_now(w, op_add(user, item, "purchase", 1700000000 + i)) != ERR_OK) {
            atomic_fetch_add(&w->wrong, 1);
        }
    }
    return NULL;
}

static void *read_on(void *ctx)
{
    world *w = ctx;
    rng random;
    rng_init(&random, 7, 1);
    for (int i = 0; i < WAITS_EACH; i++) {
        begin_wait(w, seq_now(w) + rng_below(&random, 12), long_ns);
        if (i % 16 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void no_wait_ends_before_its_write_and_none_is_lost(void **state)
{
    (void)state;
    world w = {.engine = NULL};
    pthread_t threads[WRITERS + READERS];
    world_open(&w);
    for (int i = 0; i < WRITERS + READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? write_on : read_on, &w),
                         0);
    }
    for (int i = WRITERS; i < WRITERS + READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    while (atomic_load(&w.seen) + atomic_load(&w.over) + atomic_load(&w.early) <
           atomic_load(&w.begun)) {
        sched_yield();
    }
    atomic_store(&w.stop, true);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&w.early), 0);
    assert_int_equal(atomic_load(&w.over), 0);
    assert_int_equal(atomic_load(&w.begun) + atomic_load(&w.refused), READERS * WAITS_EACH);
    assert_true(atomic_load(&w.begun) > 0);
    world_close(&w);
}

static void waits_are_bounded_and_end_in_time(void **state)
{
    (void)state;
    world w = {.engine = NULL};
    world_open(&w);
    uint64_t later = seq_now(&w) + 1000000;
    for (int i = 0; i < SEQ_WAITS_MAX; i++) {
        assert_true(begin_wait(&w, later, long_ns));
    }
    assert_false(begin_wait(&w, later, long_ns));
    assert_int_equal(atomic_load(&w.over), 0);
    engine_end_asks(w.engine);
    assert_int_equal(atomic_load(&w.over), SEQ_WAITS_MAX);
    assert_false(begin_wait(&w, later, long_ns)); /* the service stops */
    world_close(&w);

    memset(&w, 0, sizeof w);
    world_open(&w);
    assert_true(begin_wait(&w, later, 1000000)); /* a millisecond */
    assert_true(begin_wait(&w, seq_now(&w), long_ns));
    while (atomic_load(&w.over) + atomic_load(&w.seen) < 2) {
        sched_yield();
    }
    assert_int_equal(atomic_load(&w.over), 1);
    world_close(&w);
}

static void a_stop_in_the_middle_ends_every_wait(void **state)
{
    (void)state;
    world w = {.engine = NULL};
    pthread_t threads[WRITERS + READERS];
    world_open(&w);
    for (int i = 0; i < WRITERS + READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? write_on : read_on, &w),
                         0);
    }
    while (atomic_load(&w.begun) < WAITS_EACH / 2) {
        sched_yield();
    }
    engine_end_asks(w.engine);
    atomic_store(&w.stop, true);
    for (int i = 0; i < WRITERS + READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&w.early), 0);
    engine_stop(w.engine);
    assert_int_equal(atomic_load(&w.seen) + atomic_load(&w.over), atomic_load(&w.begun));
    assert_int_equal(atomic_load(&w.begun) + atomic_load(&w.refused), READERS * WAITS_EACH);
    world_close(&w);
}

/* --- generations --- */

/* Another store with the same shop and a trained generation. */
typedef struct elsewhere {
    char folder[TEMP_PATH_MAX];
    store *s;
    generation_info info;
    arena memory;
} elsewhere;

static void fill(store *s, world *w)
{
    for (int i = 0; i < USERS * 4; i++) {
        char user[16], item[16];
        snprintf(user, sizeof user, "u%d", i % USERS);
        snprintf(item, sizeof item, "i%d", (i * 7) % ITEMS);
        op *o = op_add(user, item, "purchase", 1700000000);
        assert_int_equal(s != NULL ? apply_now(s, o, NULL) : write_now(w, o), ERR_OK);
    }
}

static void elsewhere_open(elsewhere *x)
{
    err e = ERR_INIT;
    dataset *d = NULL;
    model *m = NULL;
    store_info origin;
    store_read *r = NULL;
    uint32_t number = 0;
    train_options options = TRAIN_OPTIONS_INIT;
    options.dim = 8;
    options.epochs = 1;
    options.eval_every = 0;
    options.batch = 32;
    options.threads = 1;
    temp_folder(x->folder);
    x->s = open_store(x->folder);
    arena_init(&x->memory, 1 << 20);
    for (int i = 0; i < ITEMS; i++) {
        char item[16];
        float features[WIDTH] = {(float)i, (float)(i % 3), (float)(i % 5), 1};
        snprintf(item, sizeof item, "i%d", i);
        assert_int_equal(
            apply_now(x->s, op_put_item(OP_ITEMS_CREATE, item, "x", features, WIDTH), NULL),
            ERR_OK);
    }
    fill(x->s, NULL);
    must(dataset_load(x->s, NULL, &d, &origin, &e), &e);
    must(train_run(&m, d, &options, &(train_hooks){0}, &e), &e);
    generation_info info = {
        .seq = origin.seq, .users = (uint32_t)m->users, .items = (uint32_t)m->items};
    memcpy(info.lineage, origin.lineage, sizeof info.lineage);
    must(generation_begin(x->s, &info, &info.id, &e), &e);
    must(model_put(x->s, &info.id, m, NULL, 0, &e), &e);
    must(generation_finish(x->s, &info.id, slice_of("{}"), true, &e), &e);
    must(store_read_begin(x->s, &r, &e), &e);
    must(generation_pending(r, &x->memory, &x->info, &e), &e);
    store_read_end(r);
    must(generation_register(x->s, &x->info.id, 7, &number, &e), &e);
    model_free(m);
    dataset_free(d);
}

static void elsewhere_close(elsewhere *x)
{
    store_close(x->s);
    arena_fini(&x->memory);
    temp_remove(x->folder);
}

static void register_in(world *w, const elsewhere *x)
{
    op *o = NULL;
    assert_int_equal(op_register_new(&o, &x->info, 7, NULL), ERR_OK);
    assert_int_equal(write_now(w, o), ERR_OK);
}

static void fetch(world *w, const elsewhere *x)
{
    generation_source *from = NULL;
    generation_sink *to = NULL;
    unsigned char part[4096];
    uint64_t bytes = 0;
    size_t got = 1;
    err e = ERR_INIT;
    must(generation_source_open(&from, x->s, 1, &bytes, &e), &e);
    must(generation_sink_open(&to, engine_store(w->engine), 1, &e), &e);
    while (got > 0) {
        must(generation_source_read(from, part, sizeof part, &got, &e), &e);
        must(generation_sink_write(to, part, got, &e), &e);
    }
    must(generation_sink_finish(to, &e), &e);
    generation_source_close(from);
    engine_look(w->engine);
}

static engine_models models(world *w)
{
    engine_models now;
    assert_int_equal(engine_generations(w->engine, &now, NULL), ERR_OK);
    return now;
}

static void a_generation_that_is_not_here_serves_once_it_has_come(void **state)
{
    (void)state;
    world w = {.engine = NULL};
    elsewhere x;
    world_open(&w);
    fill(NULL, &w);
    elsewhere_open(&x);
    assert_int_equal(write_now(&w, op_activate(1)), ERR_NOT_FOUND); /* no such number yet */
    register_in(&w, &x);
    assert_int_equal(write_now(&w, op_activate(1)), ERR_OK);
    assert_int_equal(models(&w).active, 1);
    assert_int_equal(models(&w).serving, 0); /* it served nothing before */
    uint64_t seq = seq_now(&w);
    fetch(&w, &x);
    while (models(&w).serving != 1) {
        sched_yield();
    }
    assert_int_equal(seq_now(&w), seq);
    elsewhere_close(&x);
    world_close(&w);
}

static void a_generation_that_was_loaded_ahead_serves_with_its_activation(void **state)
{
    (void)state;
    world w = {.engine = NULL};
    elsewhere x;
    live_hold hold;
    world_open(&w);
    fill(NULL, &w);
    elsewhere_open(&x);
    register_in(&w, &x);
    fetch(&w, &x);
    while (models(&w).warmed != 1) { /* it is to be activated, so the node loads it in advance */
        sched_yield();
    }
    assert_int_equal(models(&w).active, 0);
    assert_int_equal(models(&w).serving, 0);
    uint64_t before = seq_now(&w);
    assert_int_equal(write_now(&w, op_activate(1)), ERR_OK);
    live_acquire(engine_live(w.engine), &hold);
    assert_int_equal(view_seq(hold.view), before + 1);
    assert_int_equal(view_generation(hold.view), 1);
    live_release(engine_live(w.engine), &hold);
    assert_int_equal(models(&w).warmed, 0);
    elsewhere_close(&x);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_wait_ends_before_its_write_and_none_is_lost),
        cmocka_unit_test(waits_are_bounded_and_end_in_time),
        cmocka_unit_test(a_stop_in_the_middle_ends_every_wait),
        cmocka_unit_test(a_generation_that_is_not_here_serves_once_it_has_come),
        cmocka_unit_test(a_generation_that_was_loaded_ahead_serves_with_its_activation),
    };
    return cmocka_run_group_tests_name("following a log", tests, NULL, NULL);
}
