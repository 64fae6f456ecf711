/* SPDX-License-Identifier: Apache-2.0 */
/* Readers, writers, the propagator and activations run at once, with pthread. A read always sees
 * complete states and never goes back, and a failing background run is reported. Also run under
 * TSan. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/serve/query/recommend.h"
#include "core/train/loop/train.h"
#include "server/load/dataset_load.h"
#include "server/runtime/engine.h"
#include "server/telemetry/log.h"
#include "server/telemetry/metrics.h"
#include "storage/models/generations.h"
#include "storage/models/model_store.h"
#include "tests/support/engine_write.h"
#include "tests/support/store_fixture.h"

enum { ITEMS = 40, USERS = 12, READERS = 2, WRITERS = 2, ACTIVATIONS = 6, WIDTH = 8 };

typedef struct world {
    char folder[TEMP_PATH_MAX];
    metrics *metrics;
    engine *engine;
    atomic_bool stop;
    atomic_int wrong;
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

static void fill_shop(world *w)
{
    char user[16];
    char item[16];
    float features[WIDTH];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(item, sizeof item, "i%d", i);
        for (int j = 0; j < WIDTH; j++) {
            features[j] = (float)((i * 7 + j * 13) % 11) - 5;
        }
        assert_int_equal(write_now(w, op_put_item(OP_ITEMS_CREATE, item, "x", features, WIDTH)),
                         ERR_OK);
    }
    for (int i = 0; i < USERS * 5; i++) {
        snprintf(user, sizeof user, "u%d", i % USERS);
        snprintf(item, sizeof item, "i%d", (i * 17) % ITEMS);
        assert_int_equal(write_now(w, op_add(user, item, "purchase", 1700000000)), ERR_OK);
    }
}

/* wait_for_number waits until the engine has registered the generation. */
static void wait_for_number(world *w, const generation_id *id)
{
    uint32_t number = 0;
    engine_look(w->engine);
    while (number == 0) {
        store_read *r = NULL;
        sched_yield();
        assert_int_equal(store_read_begin(engine_store(w->engine), &r, NULL), ERR_OK);
        err_code code = generation_number(r, id, &number, NULL);
        assert_true(code == ERR_OK || code == ERR_NOT_FOUND);
        store_read_end(r);
    }
}

/* add_generation trains and stores a generation. With `spoilt`, its users' rows are so large that
 * no index of the result can be built. */
static void add_generation(world *w, uint32_t seed, bool spoilt)
{
    err e = ERR_INIT;
    dataset *d = NULL;
    model *m = NULL;
    store_info origin;
    generation_id id;
    store *s = engine_store(w->engine);
    train_options options = TRAIN_OPTIONS_INIT;
    options.dim = 8;
    options.epochs = 1;
    options.eval_every = 0;
    options.batch = 32;
    options.threads = 1;
    options.seed = seed;
    must(dataset_load(s, NULL, &d, &origin, &e), &e);
    must(train_run(&m, d, &options, &(train_hooks){0}, &e), &e);
    for (size_t i = 0; spoilt && i < m->users * m->dim; i++) {
        m->user_e[i] = 1e25F;
    }
    generation_info info = {
        .seq = origin.seq, .users = (uint32_t)m->users, .items = (uint32_t)m->items};
    memcpy(info.lineage, origin.lineage, sizeof info.lineage);
    must(generation_begin(s, &info, &id, &e), &e);
    must(model_put(s, &id, m, NULL, 0, &e), &e);
    must(generation_finish(s, &id, slice_of("{}"), false, &e), &e);
    wait_for_number(w, &id);
    model_free(m);
    dataset_free(d);
}

/* read_on requests lists until the end. Lists must be complete and contain no hidden or deleted
 * item, and the sequence must never decrease. */
static void *read_on(void *ctx)
{
    world *w = ctx;
    recommend_scratch *scratch = NULL;
    uint64_t last = 0;
    if (recommend_scratch_new(&scratch, NULL) != ERR_OK) {
        atomic_fetch_add(&w->wrong, 1);
        return NULL;
    }
    for (uint32_t n = 0; !atomic_load(&w->stop); n++) {
        live_hold hold;
        recommend_query q = RECOMMEND_QUERY_INIT;
        recommend_result found;
        live_acquire(engine_live(w->engine), &hold);
        uint64_t seq = view_seq(hold.view);
        bool good = seq >= last;
        last = seq;
        q.user = n % (uint32_t)view_user_rows(hold.view);
        good = good && recommend(hold.view, &q, scratch, &found, NULL) == ERR_OK;
        for (size_t i = 0; good && i < found.count; i++) {
            unsigned flags = view_item_flags(hold.view, found.hits[i].row);
            good = (flags & ITEM_EXISTS) != 0 && (flags & ITEM_HIDDEN) == 0;
        }
        live_release(engine_live(w->engine), &hold);
        atomic_fetch_add(&w->wrong, good ? 0 : 1);
    }
    recommend_scratch_free(scratch);
    return NULL;
}

static void *write_on(void *ctx)
{
    world *w = ctx;
    float features[WIDTH] = {1, 2, 3};
    for (int n = 0; !atomic_load(&w->stop); n++) {
        char name[32];
        bool good = true;
        features[0] = (float)(n % 5);
        snprintf(name, sizeof name, "w%d", n % 25);
        good = write_now(w, op_put_item(OP_ITEMS_PUT, name, "y", features, WIDTH)) == ERR_OK;
        snprintf(name, sizeof name, "u%d", n % (2 * USERS));
        good = write_now(w, op_add(name, "i3", "view", 1700000000 + n)) == ERR_OK && good;
        atomic_fetch_add(&w->wrong, good ? 0 : 1);
        if (n % 10 == 9) { /* the other writer may have been faster */
            (void)write_now(w, op_delete_item("w3"));
            (void)write_now(w, op_erase("u20"));
        }
    }
    return NULL;
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
        .threads = 1,
        .propagate_changes = 1,
        .propagate_within_seconds = 1,
        .watch_seconds = 0.01,
        .metrics = w->metrics,
        .fatal = on_fatal,
        .fatal_ctx = w,
    };
    must(engine_open(&w->engine, &options, &e), &e);
    fill_shop(w);
}

static void world_close(world *w)
{
    assert_int_equal(atomic_load(&w->wrong), 0);
    engine_close(w->engine);
    metrics_free(w->metrics);
    temp_remove(w->folder);
}

enum { SWITCHES = 200, SEEN_MAX = 1 << 16 };

/* A sight of each view whose seq or generation differs from the view before. */
typedef struct sight {
    uint64_t seq;
    uint32_t generation;
} sight;

typedef struct watching {
    world *w;
    sight seen[SEEN_MAX];
    size_t count;
} watching;

static void *watch_views(void *ctx)
{
    watching *x = ctx;
    while (!atomic_load(&x->w->stop) && x->count < SEEN_MAX) {
        live_hold hold;
        live_acquire(engine_live(x->w->engine), &hold);
        sight now = {view_seq(hold.view), view_generation(hold.view)};
        live_release(engine_live(x->w->engine), &hold);
        const sight *last = x->count > 0 ? &x->seen[x->count - 1] : NULL;
        if (last == NULL || last->seq != now.seq || last->generation != now.generation) {
            x->seen[x->count++] = now;
        }
    }
    return NULL;
}

static void no_view_has_an_activations_number_without_its_generation(void **state)
{
    (void)state;
    world w = {.engine = NULL};
    pthread_t thread;
    uint64_t first = 0;
    uint64_t seq = 0;
    watching *x = calloc(1, sizeof *x);
    world_open(&w);
    add_generation(&w, 1, false);
    add_generation(&w, 2, false);
    assert_int_equal(engine_write(w.engine, op_activate(1), &first), ERR_OK);
    x->w = &w;
    assert_int_equal(pthread_create(&thread, NULL, watch_views, x), 0);
    for (uint32_t i = 1; i <= SWITCHES; i++) {
        assert_int_equal(engine_write(w.engine, op_activate(1 + i % 2), &seq), ERR_OK);
        assert_int_equal(seq, first + i);
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < x->count; i++) {
        if (x->seen[i].seq >= first) {
            assert_int_equal(x->seen[i].generation, 1 + (x->seen[i].seq - first) % 2);
        }
    }
    free(x);
    world_close(&w);
}

static void reads_stay_whole_while_everything_else_changes(void **state)
{
    (void)state;
    world w = {.engine = NULL};
    pthread_t threads[READERS + WRITERS];
    world_open(&w);
    add_generation(&w, 1, false);
    add_generation(&w, 2, false);
    for (int i = 0; i < READERS + WRITERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i < READERS ? read_on : write_on, &w),
                         0);
    }
    for (uint32_t i = 0; i < ACTIVATIONS; i++) {
        live_hold hold;
        assert_int_equal(write_now(&w, op_activate(1 + i % 2)), ERR_OK);
        live_acquire(engine_live(w.engine), &hold);
        assert_int_equal(view_generation(hold.view), 1 + i % 2);
        live_release(engine_live(w.engine), &hold);
    }
    /* Continue until the convolution has run beside them. */
    buffer text;
    buffer_init(&text, 1 << 20);
    static const char none[] = "\nstair_propagation_runs_total 0\n";
    do {
        sched_yield();
        buffer_reset(&text, 1 << 20);
        metrics_render(w.metrics, &text);
    } while (memmem(text.at, text.length, none, sizeof none - 1) != NULL);
    buffer_fini(&text);
    atomic_store(&w.stop, true);
    for (int i = 0; i < READERS + WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    world_close(&w);
}

static api_health wait_for_health(world *w, bool problem)
{
    api_health health;
    do {
        sched_yield();
        memset(&health, 0, sizeof health);
        engine_health(w->engine, &health);
    } while ((health.problem[0] != '\0') != problem);
    return health;
}

static void a_convolution_that_fails_shows_in_the_health_until_nothing_waits_for_it(void **state)
{
    (void)state;
    world w = {.engine = NULL};
    world_open(&w);
    add_generation(&w, 1, false);
    add_generation(&w, 2, true);
    assert_int_equal(write_now(&w, op_activate(2)), ERR_OK);
    assert_int_equal(write_now(&w, op_add("u0", "i3", "view", 1700000000)), ERR_OK);
    api_health health = wait_for_health(&w, true);
    assert_non_null(strstr(health.problem, "convolution"));
    assert_true(health.writable);
    assert_int_equal(write_now(&w, op_activate(1)), ERR_OK);
    (void)wait_for_health(&w, false);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_that_fails_shows_in_the_health_until_nothing_waits_for_it),
        cmocka_unit_test(no_view_has_an_activations_number_without_its_generation),
        cmocka_unit_test(reads_stay_whole_while_everything_else_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
