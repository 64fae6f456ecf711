/* SPDX-License-Identifier: Apache-2.0 */
/* The write path of a node whose ops come from a replicated log. A write is answered when its
 * message has come back and been applied, once, in the log's order. The log in this test is a list
 * in memory. */
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

#include "server/runtime/engine.h"
#include "server/runtime/replicated_log.h"
#include "server/runtime/seq_waits.h"
#include "server/runtime/writer_log.h"
#include "server/telemetry/log.h"
#include "server/telemetry/metrics.h"
#include "storage/log/message.h"
#include "tests/support/store_fixture.h"

enum { MESSAGES_MAX = 256, MESSAGE_BYTES = 65536 };

typedef struct paper {
    replicated_log log;
    struct writer *writer;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct {
        char *at;
        size_t length;
    } list[MESSAGES_MAX]; /* (count) in the order of publication */
    size_t count, delivered;
    unsigned sequence; /* the sequence number of the last message delivered */
    bool refuses, ends;
    unsigned reads;    /* the op version that all nodes read; 0: this version */
    char position[24]; /* the last position applied */
} paper;

typedef struct world {
    char folder[TEMP_PATH_MAX];
    metrics *metrics;
    engine *engine;
    paper paper;
} world;

/* --- the log --- */

static err_code on_start(void *ctx, const log_host *host, err *e)
{
    (void)e;
    ((paper *)ctx)->writer = host->writer;
    return ERR_OK;
}

static void on_stop(void *ctx)
{
    (void)ctx;
}

static err_code on_admit(void *ctx, err *e)
{
    return ((paper *)ctx)->refuses ? err_set(e, ERR_UNAVAILABLE, "no log") : ERR_OK;
}

static unsigned version(void *ctx)
{
    const paper *p = ctx;
    return p->reads != 0 ? p->reads : OP_VERSION;
}

static size_t bytes_max(void *ctx)
{
    (void)ctx;
    return MESSAGE_BYTES;
}

static void on_publish(void *ctx, uint64_t number, slice bytes)
{
    paper *p = ctx;
    (void)number;
    pthread_mutex_lock(&p->mutex);
    assert_true(p->count < MESSAGES_MAX);
    p->list[p->count].at = malloc(bytes.length);
    memcpy(p->list[p->count].at, bytes.at, bytes.length);
    p->list[p->count++].length = bytes.length;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->mutex);
}

static void on_applied(void *ctx, slice position, const char *stopped)
{
    paper *p = ctx;
    (void)stopped;
    pthread_mutex_lock(&p->mutex);
    snprintf(p->position, sizeof p->position, "%.*s", (int)position.length, position.at);
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->mutex);
}

static void on_confirmed(void *ctx, double seconds)
{
    (void)ctx;
    (void)seconds;
}

static err_code deliver(paper *p, slice bytes)
{
    char position[24];
    snprintf(position, sizeof position, "%u", ++p->sequence);
    return writer_deliver(p->writer, bytes, slice_of(position), NULL);
}

/* published waits until `count` messages were published, and returns the last of them. */
static slice published(paper *p, size_t count)
{
    pthread_mutex_lock(&p->mutex);
    while (p->count < count) {
        pthread_cond_wait(&p->more, &p->mutex);
    }
    slice bytes = {p->list[count - 1].at, p->list[count - 1].length};
    pthread_mutex_unlock(&p->mutex);
    return bytes;
}

static void wait_applied(paper *p, const char *position)
{
    pthread_mutex_lock(&p->mutex);
    while (strcmp(p->position, position) != 0) {
        pthread_cond_wait(&p->more, &p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
}

/* --- the node --- */

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    paper *p = &w->paper;
    log_setup(LOG_NONE, 2);
    temp_folder(w->folder);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->more, NULL);
    p->log = (replicated_log){.ctx = p,
                              .publisher = "this node here",
                              .start = on_start,
                              .stop = on_stop,
                              .admit = on_admit,
                              .version = version,
                              .bytes_max = bytes_max,
                              .publish = on_publish,
                              .applied = on_applied,
                              .confirmed = on_confirmed};
    const engine_options options = {.dir = w->folder,
                                    .queue_jobs_max = 64,
                                    .queue_bytes_max = 1 << 20,
                                    .threads = 1,
                                    .watch_seconds = 3600,
                                    .waits_max = 4,
                                    .log = &p->log};
    engine_options given = options;
    assert_int_equal(metrics_new(&w->metrics, NULL), ERR_OK);
    given.metrics = w->metrics;
    assert_int_equal(engine_open(&w->engine, &given, NULL), ERR_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    engine_close(w->engine);
    metrics_free(w->metrics);
    for (size_t i = 0; i < w->paper.count; i++) {
        free(w->paper.list[i].at);
    }
    temp_remove(w->folder);
    free(w);
    return 0;
}

typedef struct waiter {
    writer_job job;
    op *op;
    atomic_bool done;
} waiter;

static void on_done(writer_job *job)
{
    atomic_store(&((waiter *)job->ctx)->done, true);
}

static void submit(world *w, waiter *x, op *o)
{
    *x = (waiter){.op = o};
    x->job.op = o;
    x->job.done = on_done;
    x->job.ctx = x;
    assert_int_equal(engine_reserve(w->engine, 0), WRITER_ADMITTED);
    engine_submit(w->engine, &x->job);
}

static err_code finish(waiter *x, uint64_t *seq)
{
    while (!atomic_load(&x->done)) {
        sched_yield();
    }
    err_code code = x->job.result->code;
    if (seq != NULL) {
        *seq = x->job.result->seq;
    }
    writer_job_release(&x->job);
    op_free(x->op);
    return code;
}

static store_info stat_of(world *w)
{
    store_info info;
    assert_int_equal(store_stat(engine_store(w->engine), &info, NULL), ERR_OK);
    return info;
}

static void a_write_is_answered_when_its_message_has_come_back(void **state)
{
    world *w = *state;
    waiter x;
    uint64_t seq = 0;
    submit(w, &x, op_put_item(OP_ITEMS_PUT, "a", "one", NULL, 0));
    slice sent = published(&w->paper, 1);
    assert_false(atomic_load(&x.done));
    assert_int_equal(stat_of(w).items, 0);
    assert_int_equal(deliver(&w->paper, sent), ERR_OK);
    assert_int_equal(finish(&x, &seq), ERR_OK);
    assert_int_equal(seq, 1);
    assert_int_equal(stat_of(w).items, 1);
    assert_string_equal(stat_of(w).external, "1");
}

static void a_message_that_comes_twice_is_applied_once(void **state)
{
    world *w = *state;
    waiter x;
    submit(w, &x, op_put_item(OP_ITEMS_PUT, "a", "one", NULL, 0));
    slice sent = published(&w->paper, 1);
    assert_int_equal(deliver(&w->paper, sent), ERR_OK);
    assert_int_equal(deliver(&w->paper, sent), ERR_OK);
    assert_int_equal(finish(&x, NULL), ERR_OK);
    wait_applied(&w->paper, "2");
    assert_int_equal(stat_of(w).seq, 1);
    assert_string_equal(stat_of(w).external, "2");
}

static void another_nodes_message_goes_before_an_own_one_that_comes_later(void **state)
{
    world *w = *state;
    waiter x;
    uint64_t seq = 0;
    op *theirs = op_put_item(OP_ITEMS_PUT, "theirs", NULL, NULL, 0);
    encoder bytes;
    submit(w, &x, op_put_item(OP_ITEMS_PUT, "ours", NULL, NULL, 0));
    slice sent = published(&w->paper, 1);
    encoder_init(&bytes, MESSAGE_BYTES);
    message_encode((const unsigned char *)"another node 16", 1, (const op *const *)&theirs, 1,
                   &bytes);
    assert_int_equal(deliver(&w->paper, encoder_slice(&bytes)), ERR_OK);
    assert_int_equal(deliver(&w->paper, sent), ERR_OK);
    assert_int_equal(finish(&x, &seq), ERR_OK);
    assert_int_equal(seq, 2);
    assert_int_equal(stat_of(w).items, 2);
    encoder_fini(&bytes);
    op_free(theirs);
}

static void without_a_log_a_write_is_refused_and_nothing_is_published(void **state)
{
    world *w = *state;
    waiter x;
    w->paper.refuses = true;
    submit(w, &x, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0));
    assert_int_equal(finish(&x, NULL), ERR_UNAVAILABLE);
    assert_int_equal(w->paper.count, 0);
    assert_int_equal(stat_of(w).seq, 0);
}

static void a_write_that_a_node_cannot_read_is_refused_and_not_published(void **state)
{
    world *w = *state;
    waiter x;
    w->paper.reads = OP_VERSION_OLDEST - 1;
    submit(w, &x, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0));
    assert_int_equal(finish(&x, NULL), ERR_UNAVAILABLE);
    assert_int_equal(w->paper.count, 0);
    w->paper.reads = OP_VERSION + 1;
    submit(w, &x, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0));
    slice sent = published(&w->paper, 1);
    assert_int_equal(x.op->version, OP_VERSION);
    assert_int_equal(deliver(&w->paper, sent), ERR_OK);
    assert_int_equal(finish(&x, NULL), ERR_OK);
}

static void a_message_that_cannot_be_read_is_not_taken(void **state)
{
    world *w = *state;
    static const char newer[] = "\xff and whatever follows in a version that is to come";
    const slice bytes = {newer, sizeof newer}, damaged = {"\x01 too short", 11};
    assert_int_equal(deliver(&w->paper, bytes), ERR_CONFLICT);
    assert_int_equal(deliver(&w->paper, damaged), ERR_CORRUPT);
    assert_string_equal(stat_of(w).external, "");
}

/* hand_over_all delivers every published message, like the thread of a real log. */
static void *hand_over_all(void *ctx)
{
    paper *p = ctx;
    pthread_mutex_lock(&p->mutex);
    while (!p->ends || p->delivered < p->count) {
        if (p->delivered == p->count) {
            pthread_cond_wait(&p->more, &p->mutex);
            continue;
        }
        slice bytes = {p->list[p->delivered].at, p->list[p->delivered].length};
        p->delivered++;
        pthread_mutex_unlock(&p->mutex);
        assert_int_equal(deliver(p, bytes), ERR_OK);
        pthread_mutex_lock(&p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void writes_that_come_together_share_messages_and_keep_their_order(void **state)
{
    enum { WRITES = 60 };
    world *w = *state;
    waiter *all = calloc(WRITES, sizeof *all);
    pthread_t thread;
    uint64_t before = 0, seq = 0;
    assert_int_equal(pthread_create(&thread, NULL, hand_over_all, &w->paper), 0);
    for (int i = 0; i < WRITES; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%d", i % 10);
        submit(w, &all[i], op_put_item(OP_ITEMS_PUT, id, NULL, NULL, 0));
    }
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(finish(&all[i], &seq), ERR_OK);
        assert_true(seq > before);
        before = seq;
    }
    pthread_mutex_lock(&w->paper.mutex);
    w->paper.ends = true;
    pthread_cond_broadcast(&w->paper.more);
    pthread_mutex_unlock(&w->paper.mutex);
    pthread_join(thread, NULL);
    assert_int_equal(stat_of(w).seq, WRITES);
    assert_true(w->paper.count < WRITES);
    free(all);
}

static void writes_that_wait_for_a_message_share_the_next_one(void **state)
{
    enum { WRITES = 40 };
    world *w = *state;
    waiter first, rest[WRITES];
    message *m = NULL;
    submit(w, &first, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0));
    slice sent = published(&w->paper, 1);
    for (int i = 0; i < WRITES; i++) {
        submit(w, &rest[i], op_put_item(OP_ITEMS_PUT, "b", NULL, NULL, 0));
    }
    assert_int_equal(deliver(&w->paper, sent), ERR_OK);
    sent = published(&w->paper, 2);
    assert_int_equal(message_decode(&m, sent, NULL, NULL), ERR_OK);
    assert_int_equal(m->count, WRITES);
    message_free(m);
    assert_int_equal(deliver(&w->paper, sent), ERR_OK);
    assert_int_equal(finish(&first, NULL), ERR_OK);
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(finish(&rest[i], NULL), ERR_OK);
    }
    assert_int_equal(w->paper.count, 2);
}

/* deliver_theirs delivers a message of another node that puts an item. */
static void deliver_theirs(world *w, uint64_t number)
{
    op *theirs = op_put_item(OP_ITEMS_PUT, "theirs", NULL, NULL, 0);
    encoder bytes;
    encoder_init(&bytes, MESSAGE_BYTES);
    message_encode((const unsigned char *)"another node 16", number, (const op *const *)&theirs, 1,
                   &bytes);
    assert_int_equal(deliver(&w->paper, encoder_slice(&bytes)), ERR_OK);
    encoder_fini(&bytes);
    op_free(theirs);
}

static err_code nothing(void *ctx, err *e)
{
    (void)ctx;
    (void)e;
    return ERR_OK;
}

/* applies_at_once tells whether the writer applies another node's message as soon as it looks. */
static bool applies_at_once(world *w, uint64_t number)
{
    char position[24];
    deliver_theirs(w, number);
    assert_int_equal(writer_call(w->paper.writer, nothing, NULL, NULL), ERR_OK);
    snprintf(position, sizeof position, "%llu", (unsigned long long)number);
    bool applied = strcmp(stat_of(w).external, position) == 0;
    wait_applied(&w->paper, position);
    return applied;
}

static void on_seen(seq_wait *wait)
{
    atomic_store((atomic_bool *)wait->ctx, true);
}

static void messages_of_others_share_commits_unless_a_request_waits(void **state)
{
    enum { TRIES = 100 };
    world *w = *state;
    uint64_t number = 0;
    bool shared = false;
    deliver_theirs(w, ++number); /* the first after a pause is applied without another event */
    wait_applied(&w->paper, "1");
    for (int i = 0; i < TRIES && !shared; i++) { /* this thread may lose its processor for long */
        shared = !applies_at_once(w, ++number);
    }
    assert_true(shared);
    atomic_bool seen = false;
    seq_wait wait = {.seq = number + TRIES, .until_ns = UINT64_MAX, .done = on_seen, .ctx = &seen};
    assert_true(engine_wait(w->engine, &wait));
    while (number + 1 < wait.seq) {
        assert_true(applies_at_once(w, ++number));
        assert_false(atomic_load(&seen));
    }
    deliver_theirs(w, ++number);
    while (!atomic_load(&seen)) {
        sched_yield();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_write_is_answered_when_its_message_has_come_back),
        TEST(a_message_that_comes_twice_is_applied_once),
        TEST(another_nodes_message_goes_before_an_own_one_that_comes_later),
        TEST(without_a_log_a_write_is_refused_and_nothing_is_published),
        TEST(a_write_that_a_node_cannot_read_is_refused_and_not_published),
        TEST(a_message_that_cannot_be_read_is_not_taken),
        TEST(writes_that_come_together_share_messages_and_keep_their_order),
        TEST(writes_that_wait_for_a_message_share_the_next_one),
        TEST(messages_of_others_share_commits_unless_a_request_waits),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
