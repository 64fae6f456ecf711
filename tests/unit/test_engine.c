/* SPDX-License-Identifier: Apache-2.0 */
/* The write path without HTTP: an answered write is on disk and in the view, whatever fails.
 *
 * The program defines fdatasync before the C library does, so that LMDB's commits wait or fail when
 * a test wants it. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/runtime/engine.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "server/telemetry/metrics.h"
#include "tests/support/store_fixture.h"

static atomic_bool sync_fails;
static atomic_bool sync_waits;
static atomic_int syncs;

int fdatasync(int fd);

int fdatasync(int fd)
{
    int (*real)(int) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "fdatasync");
    memcpy(&real, &symbol, sizeof real);
    atomic_fetch_add(&syncs, 1);
    while (atomic_load(&sync_waits)) {
        sched_yield();
    }
    if (atomic_load(&sync_fails)) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

typedef struct fixture {
    char folder[TEMP_PATH_MAX];
    metrics *metrics;
    engine *engine;
    atomic_bool broken;
} fixture;

static void on_fatal(void *ctx, const char *why)
{
    (void)why;
    atomic_store(&((fixture *)ctx)->broken, true);
}

static void open_engine(fixture *f, size_t queue)
{
    engine_options options = {
        .dir = f->folder,
        .queue_jobs_max = queue,
        .queue_bytes_max = 1 << 20,
        .threads = 1,
        .watch_seconds = 0.05,
        .fatal = on_fatal,
        .fatal_ctx = f,
    };
    err e = ERR_INIT;
    assert_int_equal(metrics_new(&f->metrics, &e), ERR_OK);
    options.metrics = f->metrics;
    assert_int_equal(engine_open(&f->engine, &options, &e), ERR_OK);
}

static void close_engine(fixture *f)
{
    engine_close(f->engine);
    metrics_free(f->metrics);
    f->engine = NULL;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    log_setup(LOG_NONE, 2);
    temp_folder(f->folder);
    atomic_store(&sync_fails, false);
    atomic_store(&sync_waits, false);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    atomic_store(&sync_fails, false);
    atomic_store(&sync_waits, false);
    if (f->engine != NULL) {
        close_engine(f);
    }
    temp_remove(f->folder);
    free(f);
    return 0;
}

/* A job that the test waits for. */
typedef struct waiter {
    writer_job job;
    op *op;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
} waiter;

static void on_done(writer_job *job)
{
    waiter *w = job->ctx;
    pthread_mutex_lock(&w->mutex);
    w->done = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->mutex);
}

static writer_admission begin(fixture *f, waiter *w, op *o)
{
    memset(w, 0, sizeof *w);
    w->op = o;
    w->job.op = o;
    w->job.done = on_done;
    w->job.ctx = w;
    writer_admission admitted = engine_reserve(f->engine, 0);
    if (admitted != WRITER_ADMITTED) {
        op_free(o);
        return admitted;
    }
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->ended, NULL);
    engine_submit(f->engine, &w->job);
    return admitted;
}

static err_code end(waiter *w, uint64_t *seq)
{
    pthread_mutex_lock(&w->mutex);
    while (!w->done) {
        pthread_cond_wait(&w->ended, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    err_code code = w->job.result->code;
    if (seq != NULL) {
        *seq = w->job.result->seq;
    }
    writer_job_release(&w->job);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->ended);
    op_free(w->op);
    return code;
}

static err_code write_now(fixture *f, op *o, uint64_t *seq)
{
    waiter w;
    assert_int_equal(begin(f, &w, o), WRITER_ADMITTED);
    return end(&w, seq);
}

static bool item_is_there(fixture *f, const char *id)
{
    live_hold hold;
    live_acquire(engine_live(f->engine), &hold);
    bool there = view_item_find(hold.view, slice_of(id)) != ROW_NONE;
    live_release(engine_live(f->engine), &hold);
    return there;
}

static uint64_t seq_of_view(fixture *f)
{
    live_hold hold;
    live_acquire(engine_live(f->engine), &hold);
    uint64_t seq = view_seq(hold.view);
    live_release(engine_live(f->engine), &hold);
    return seq;
}

static void an_answered_write_is_visible_and_survives_a_restart(void **state)
{
    fixture *f = *state;
    uint64_t seq = 0;
    open_engine(f, 16);
    assert_int_equal(write_now(f, op_put_item(OP_ITEMS_CREATE, "a", "A", NULL, 0), &seq), ERR_OK);
    assert_int_equal(seq, 1);
    assert_true(item_is_there(f, "a"));
    assert_int_equal(write_now(f, op_put_item(OP_ITEMS_CREATE, "a", "A", NULL, 0), &seq),
                     ERR_CONFLICT);
    assert_int_equal(seq_of_view(f), 1);
    close_engine(f);
    open_engine(f, 16);
    assert_true(item_is_there(f, "a"));
    assert_int_equal(seq_of_view(f), 1);
}

enum { WRITERS = 16, WRITES = 60 };

typedef struct writing {
    fixture *f;
    int number;
    int lost;
} writing;

static void *write_many(void *ctx)
{
    writing *w = ctx;
    for (int i = 0; i < WRITES; i++) {
        char id[32];
        uint64_t seq = 0;
        snprintf(id, sizeof id, "i%d-%d", w->number, i);
        bool written =
            write_now(w->f, op_put_item(OP_ITEMS_CREATE, id, "x", NULL, 0), &seq) == ERR_OK;
        w->lost += written && item_is_there(w->f, id) && seq_of_view(w->f) >= seq ? 0 : 1;
    }
    return NULL;
}

static void many_writers_share_commits_and_each_sees_its_own_write(void **state)
{
    fixture *f = *state;
    pthread_t threads[WRITERS];
    writing all[WRITERS];
    open_engine(f, 1000);
    int before = atomic_load(&syncs);
    for (int i = 0; i < WRITERS; i++) {
        all[i] = (writing){f, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &all[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(all[i].lost, 0);
    }
    assert_int_equal(seq_of_view(f), WRITERS * WRITES);
    assert_true(atomic_load(&syncs) - before < 2 * WRITERS * WRITES);
    close_engine(f);
    open_engine(f, 16);
    assert_true(item_is_there(f, "i15-59"));
    assert_int_equal(seq_of_view(f), WRITERS * WRITES);
}

static void a_full_queue_refuses_and_keeps_what_it_has(void **state)
{
    fixture *f = *state;
    waiter waiting[4];
    waiter refused;
    open_engine(f, 4);
    atomic_store(&sync_waits, true); /* the first one is being committed, three are waiting */
    for (int i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "q%d", i);
        assert_int_equal(begin(f, &waiting[i], op_put_item(OP_ITEMS_CREATE, id, "x", NULL, 0)),
                         WRITER_ADMITTED);
    }
    assert_int_equal(begin(f, &refused, op_put_item(OP_ITEMS_CREATE, "no", "x", NULL, 0)),
                     WRITER_QUEUE_FULL);
    assert_false(item_is_there(f, "q0")); /* reads go on, and see only committed writes */
    atomic_store(&sync_waits, false);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(end(&waiting[i], NULL), ERR_OK);
    }
    assert_false(item_is_there(f, "no"));
    assert_int_equal(seq_of_view(f), 4);
}

static void a_stop_answers_all_that_was_submitted(void **state)
{
    fixture *f = *state;
    waiter waiting[8];
    waiter late;
    open_engine(f, 16);
    for (int i = 0; i < 8; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%d", i);
        assert_int_equal(begin(f, &waiting[i], op_put_item(OP_ITEMS_CREATE, id, "x", NULL, 0)),
                         WRITER_ADMITTED);
    }
    engine_stop(f->engine);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(end(&waiting[i], NULL), ERR_OK);
    }
    assert_int_equal(begin(f, &late, op_put_item(OP_ITEMS_CREATE, "late", "x", NULL, 0)),
                     WRITER_STOPPING);
    close_engine(f);
    open_engine(f, 16);
    assert_true(item_is_there(f, "s7"));
}

static void wait_until_writable(fixture *f)
{
    api_health health;
    do {
        sched_yield();
        memset(&health, 0, sizeof health);
        engine_health(f->engine, &health);
    } while (!health.writable);
}

static void a_failing_sync_makes_the_outcome_unknown_and_reads_go_on(void **state)
{
    fixture *f = *state;
    api_health health;
    open_engine(f, 16);
    assert_int_equal(write_now(f, op_put_item(OP_ITEMS_CREATE, "a", "A", NULL, 0), NULL), ERR_OK);
    atomic_store(&sync_fails, true);
    assert_int_equal(write_now(f, op_put_item(OP_ITEMS_CREATE, "b", "B", NULL, 0), NULL),
                     ERR_OUTCOME_UNKNOWN);
    assert_true(item_is_there(f, "a"));
    assert_false(item_is_there(f, "b"));
    atomic_store(&sync_fails, false);
    assert_false(atomic_load(&f->broken));
    wait_until_writable(f);
    memset(&health, 0, sizeof health);
    engine_health(f->engine, &health);
    assert_string_equal(health.problem, "");
    assert_int_equal(write_now(f, op_put_item(OP_ITEMS_CREATE, "c", "C", NULL, 0), NULL), ERR_OK);
    assert_true(item_is_there(f, "c"));
    assert_int_equal(seq_of_view(f), 2);
}

static void activating_what_is_not_there_is_refused_and_nothing_else(void **state)
{
    fixture *f = *state;
    uint64_t seq = 0;
    open_engine(f, 16);
    assert_int_equal(write_now(f, op_activate(7), &seq), ERR_NOT_FOUND);
    assert_int_equal(seq_of_view(f), 0);
    assert_int_equal(write_now(f, op_put_item(OP_ITEMS_CREATE, "a", "A", NULL, 0), &seq), ERR_OK);
    assert_int_equal(seq, 1);
}

static double stuck_seconds(fixture *f)
{
    writer_status status;
    engine_writer(f->engine, &status);
    return status.stuck_seconds;
}

static void a_writer_that_does_not_get_on_is_told_from_one_that_waits_for_the_disk(void **state)
{
    fixture *f = *state;
    waiter w;
    open_engine(f, 16);
    int before = atomic_load(&syncs);
    atomic_store(&sync_waits, true);
    assert_int_equal(begin(f, &w, op_put_item(OP_ITEMS_CREATE, "a", "A", NULL, 0)),
                     WRITER_ADMITTED);
    while (atomic_load(&syncs) == before) {
        sched_yield();
    }
    for (uint64_t until = clock_ns() + 50000000; clock_ns() < until; sched_yield()) {
        assert_true(stuck_seconds(f) == 0);
    }
    pthread_mutex_lock(&w.mutex); /* the answer cannot be delivered now */
    atomic_store(&sync_waits, false);
    while (stuck_seconds(f) < 0.05) {
        sched_yield();
    }
    pthread_mutex_unlock(&w.mutex);
    assert_int_equal(end(&w, NULL), ERR_OK);
    while (stuck_seconds(f) > 0) {
        sched_yield();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answered_write_is_visible_and_survives_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_writers_share_commits_and_each_sees_its_own_write,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_refuses_and_keeps_what_it_has, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stop_answers_all_that_was_submitted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_sync_makes_the_outcome_unknown_and_reads_go_on,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_writer_that_does_not_get_on_is_told_from_one_that_waits_for_the_disk, setup,
            teardown),
        cmocka_unit_test_setup_teardown(activating_what_is_not_there_is_refused_and_nothing_else,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
