/* SPDX-License-Identifier: Apache-2.0 */
/* The pool for long work: turns, limits and end; and the rate of work. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/http/admission.h"
#include "server/http/work.h"

enum { JOBS = 6 };

typedef struct order {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool open; /* jobs go on */
    size_t begun, count;
    unsigned done[JOBS];
} order;

typedef struct test_job {
    work_job job;
    order *into;
    unsigned name;
    bool waits;
} test_job;

static void run(work_job *job)
{
    const test_job *t = job->ctx;
    order *o = t->into;
    pthread_mutex_lock(&o->mutex);
    o->begun++;
    pthread_cond_broadcast(&o->changed);
    while (t->waits && !o->open) {
        pthread_cond_wait(&o->changed, &o->mutex);
    }
    o->done[o->count++] = t->name;
    pthread_mutex_unlock(&o->mutex);
}

static void wait_begun(order *o, size_t count)
{
    pthread_mutex_lock(&o->mutex);
    while (o->begun < count) {
        pthread_cond_wait(&o->changed, &o->mutex);
    }
    pthread_mutex_unlock(&o->mutex);
}

static void let_go(order *o)
{
    pthread_mutex_lock(&o->mutex);
    o->open = true;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->mutex);
}

static test_job job_of(order *o, unsigned name, uint64_t caller, bool waits)
{
    return (test_job){
        .job = {.run = run, .caller = caller}, .into = o, .name = name, .waits = waits};
}

static bool submit(work *w, test_job *t)
{
    t->job.ctx = t;
    return work_submit(w, &t->job);
}

static void a_caller_with_few_jobs_overtakes_one_with_many(void **state)
{
    (void)state;
    order o = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    order held = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    work *w;
    assert_int_equal(work_new(&w, 2, 100, NULL), ERR_OK);
    test_job first = job_of(&o, 0, 1, true), holds = job_of(&held, 1, 1, true);
    test_job second = job_of(&o, 2, 1, false), third = job_of(&o, 3, 1, false);
    test_job other = job_of(&o, 4, 2, false);
    assert_true(submit(w, &first));
    wait_begun(&o, 1);
    assert_true(submit(w, &holds));
    wait_begun(&held, 1);
    assert_true(submit(w, &second));
    assert_true(submit(w, &third));
    assert_true(submit(w, &other));
    work_state busy;
    work_state_get(w, &busy);
    assert_int_equal(busy.waiting, 3);
    assert_int_equal(busy.running, 2);
    let_go(&o); /* one thread is free, and the other still held by caller 1 */
    wait_begun(&o, 4);
    let_go(&held);
    work_free(w);
    static const unsigned expected[] = {0, 4, 2, 3};
    assert_int_equal(o.count, 4);
    assert_memory_equal(o.done, expected, sizeof expected);
}

static void a_full_queue_and_half_of_it_for_one_caller_are_the_limits(void **state)
{
    (void)state;
    order o = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    work *w;
    assert_int_equal(work_new(&w, 1, 3, NULL), ERR_OK);
    test_job jobs[] = {job_of(&o, 0, 1, true),  job_of(&o, 1, 1, false), job_of(&o, 2, 1, false),
                       job_of(&o, 3, 1, false), job_of(&o, 4, 2, false), job_of(&o, 5, 3, false)};
    assert_true(submit(w, &jobs[0]));
    wait_begun(&o, 1);
    assert_true(submit(w, &jobs[1]));
    assert_true(submit(w, &jobs[2]));
    assert_false(submit(w, &jobs[3])); /* two of three: half, rounded up */
    assert_true(submit(w, &jobs[4]));
    assert_false(submit(w, &jobs[5])); /* three wait */
    let_go(&o);
    work_stop(w);
    assert_int_equal(o.count, 4); /* the waiting jobs were run */
    assert_false(submit(w, &jobs[5]));
    work_free(w);
}

static void the_rate_of_work_takes_a_large_request_and_lets_the_next_ones_wait(void **state)
{
    (void)state;
    admission a;
    const uint64_t second = 1000000000U;
    admission_init(&a, &(admission_options){.work_per_second = 100});
    assert_int_equal(admission_work(&a, 1000, 5 * second), 0);
    assert_int_equal(admission_work(&a, 1, 5 * second), 10);
    assert_int_equal(admission_work(&a, 1, 13 * second), 2);
    assert_int_equal(admission_work(&a, 1, 14 * second), 0);
    assert_int_equal(admission_work(&a, 1e300, 20 * second), 0);
    assert_true(admission_work(&a, 1, 21 * second) > 1000);
    admission_init(&a, &(admission_options){.work_per_second = 0});
    assert_int_equal(admission_work(&a, 1e300, second), 0);
    assert_int_equal(admission_work(&a, 1e300, second), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caller_with_few_jobs_overtakes_one_with_many),
        cmocka_unit_test(a_full_queue_and_half_of_it_for_one_caller_are_the_limits),
        cmocka_unit_test(the_rate_of_work_takes_a_large_request_and_lets_the_next_ones_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
