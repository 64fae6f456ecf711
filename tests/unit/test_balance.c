/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections are spread over threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "server/http/balance.h"

enum { THREADS = 3, CONNECTIONS = 50 };

typedef struct worker {
    balance *b;
    _Atomic size_t *counted[CONNECTIONS];
} worker;

static void *serve(void *ctx)
{
    worker *w = ctx;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)balance_accept(w->b, THREADS);
        w->counted[i] = balance_begin(w->b);
    }
    return NULL;
}

static void a_connection_counts_for_the_thread_that_took_it_until_it_ends(void **state)
{
    (void)state;
    static balance b;
    worker workers[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].b = &b;
        assert_int_equal(pthread_create(&threads[i], NULL, serve, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(b.threads, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(b.open[i], CONNECTIONS);
        for (size_t n = 0; n < CONNECTIONS; n++) {
            assert_ptr_equal(workers[i].counted[n], workers[i].counted[0]);
        }
        assert_ptr_not_equal(workers[i].counted[0], workers[(i + 1) % THREADS].counted[0]);
    }
    for (size_t n = 0; n < CONNECTIONS; n++) {
        balance_end(workers[0].counted[n]); /* in another thread than the one that counted it */
    }
    assert_int_equal(*workers[0].counted[0], 0);
    assert_int_equal(*workers[1].counted[0], CONNECTIONS);
}

static void *accept_once(void *ctx)
{
    worker *w = ctx;
    return balance_accept(w->b, 2) ? w : NULL;
}

static void a_thread_that_holds_more_than_the_emptiest_waits_and_the_emptiest_does_not(void **state)
{
    (void)state;
    static balance b;
    worker w = {.b = &b};
    pthread_t thread;
    void *waited = NULL;
    assert_false(balance_accept(&b, 2));
    _Atomic size_t *counted = balance_begin(&b);
    assert_true(balance_accept(&b, 2));
    assert_false(balance_accept(&b, 1)); /* a single thread has no other to leave it to */
    assert_int_equal(pthread_create(&thread, NULL, accept_once, &w), 0);
    pthread_join(thread, &waited);
    assert_null(waited);
    balance_end(counted);
    assert_false(balance_accept(&b, 2));
}

static void a_thread_beyond_the_places_is_not_counted_and_never_waits_for_one(void **state)
{
    (void)state;
    static balance b = {.threads = BALANCE_THREADS_MAX};
    worker w = {.b = &b};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve, &w), 0);
    pthread_join(thread, NULL);
    assert_null(w.counted[0]);
    balance_end(NULL);
    for (size_t i = 0; i < BALANCE_THREADS_MAX; i++) {
        assert_int_equal(b.open[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_counts_for_the_thread_that_took_it_until_it_ends),
        cmocka_unit_test(
            a_thread_that_holds_more_than_the_emptiest_waits_and_the_emptiest_does_not),
        cmocka_unit_test(a_thread_beyond_the_places_is_not_counted_and_never_waits_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
