/* SPDX-License-Identifier: Apache-2.0 */
/* Several threads ask for vectors of texts at once, over real connections. Every ask ends exactly
 * once, with the vector of its own text or with none. Also run under TSan. */
#include <arpa/inet.h>
#include <netinet/in.h>
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
#include <sys/socket.h>
#include <unistd.h>
/* cmocka needs the headers before it. */
#include <cmocka.h>

#include "core/common/mem.h"
#include "server/encode/encode_asks.h"

enum { ASKERS = 4, ASKS = 60, TEXTS = 23, SERVERS = 2, REQUEST_MAX = 4096 };

/* --- an encoder: the vector of "text N" is (N, 1) --- */

typedef struct peer {
    int socket;
    atomic_int calls;
    atomic_int hang; /* calls that get no answer before the end */
    pthread_t threads[SERVERS];
} peer;

/* read_request reads one request and returns the number of its text, or -1 at the end. */
static int read_request(int connection)
{
    char text[REQUEST_MAX];
    size_t used = 0;
    const char *found = NULL;
    while (found == NULL || strchr(found, '}') == NULL) {
        ssize_t got = read(connection, text + used, sizeof text - 1 - used);
        if (got <= 0) {
            return -1;
        }
        used += (size_t)got;
        text[used] = '\0';
        found = strstr(text, "text ");
    }
    return atoi(found + strlen("text "));
}

static void *serve(void *argument)
{
    peer *p = argument;
    int connection = 0;
    while ((connection = accept(p->socket, NULL, NULL)) >= 0) {
        char body[128], answer[512];
        int number = read_request(connection);
        if (number >= 0) {
            atomic_fetch_add(&p->calls, 1);
            int length = snprintf(body, sizeof body,
                                  "{\"data\":[{\"index\":0,\"embedding\":[%d,1]}]}", number);
            length = snprintf(answer, sizeof answer,
                              "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                              number == TEXTS - 1 ? "422 Bad" : "200 OK", length, body);
            while (atomic_load(&p->hang) > 0 && read(connection, body, sizeof body) > 0) {
            }
            (void)!write(connection, answer, (size_t)length);
        }
        close(connection);
    }
    return NULL;
}

static void peer_start(peer *p, encoder_options *o, char *url, size_t room)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    *p = (peer){.socket = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(p->socket, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(p->socket, 64), 0);
    assert_int_equal(getsockname(p->socket, (struct sockaddr *)&address, &length), 0);
    snprintf(url, room, "http://127.0.0.1:%d/v1/embeddings", ntohs(address.sin_port));
    *o = (encoder_options){.url = url, .model = "m", .modality = "text", .timeout = 30};
    for (size_t i = 0; i < SERVERS; i++) {
        assert_int_equal(pthread_create(&p->threads[i], NULL, serve, p), 0);
    }
}

static void peer_stop(peer *p)
{
    shutdown(p->socket, SHUT_RDWR);
    for (size_t i = 0; i < SERVERS; i++) {
        pthread_join(p->threads[i], NULL);
    }
    close(p->socket);
}

/* --- the askers --- */

typedef struct waiter {
    encode_ask ask;
    char text[32];
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int ends; /* guarded by mutex */
} waiter;

static void on_end(encode_ask *ask)
{
    waiter *w = ask->ctx;
    pthread_mutex_lock(&w->mutex);
    w->ends++;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->mutex);
}

static void waiter_init(waiter *w, unsigned number, double seconds)
{
    *w = (waiter){.mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    snprintf(w->text, sizeof w->text, "text %u", number);
    w->ask = (encode_ask){.text = slice_of(w->text), .done = on_end, .ctx = w};
    w->ask.seconds = seconds;
}

/* waiter_end waits for the end of an ask that was taken, and frees its vector. */
static void waiter_end(waiter *w)
{
    pthread_mutex_lock(&w->mutex);
    while (w->ends == 0) {
        pthread_cond_wait(&w->ended, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
}

typedef struct asker {
    encode_asks *asks;
    unsigned seed;
    size_t answered, wrong;
    pthread_t thread;
} asker;

/* ask_many asks for many texts. The encoder refuses the last text. Every seventh ask has no time to
 * wait. */
static void *ask_many(void *argument)
{
    asker *a = argument;
    for (unsigned i = 0; i < ASKS; i++) {
        waiter w;
        encode_asks_status status;
        unsigned number = (a->seed * 7 + i * 5) % TEXTS;
        waiter_init(&w, number, i % 7 == 6 ? 0.0005 : 20);
        w.ask.query = i % 2 == 0;
        if (encode_asks_submit(a->asks, &w.ask)) {
            waiter_end(&w);
        }
        const float *v = w.ask.vector;
        a->answered += v != NULL;
        a->wrong += v != NULL && (w.ask.width != 2 || v[0] != (float)number || v[1] != 1);
        a->wrong += v != NULL && number == TEXTS - 1;
        mem_free(w.ask.vector);
        uint32_t width = 0;
        mem_free(encode_asks_known(a->asks, w.ask.text, &width));
        encode_asks_tell(a->asks, &status);
    }
    return NULL;
}

static void every_ask_ends_once_with_the_vector_of_its_text(void **state)
{
    (void)state;
    peer p;
    encoder_options o;
    char url[64];
    err e = ERR_INIT;
    encode_asks *asks = NULL;
    asker askers[ASKERS];
    size_t answered = 0;
    peer_start(&p, &o, url, sizeof url);
    assert_int_equal(encode_asks_new(&asks, &o, &e), ERR_OK);
    for (unsigned i = 0; i < ASKERS; i++) {
        askers[i] = (asker){.asks = asks, .seed = i};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]), 0);
    }
    for (unsigned i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].wrong, 0);
        answered += askers[i].answered;
    }
    assert_true(answered > ASKERS * ASKS / 2);
    encode_asks_free(asks);
    peer_stop(&p);
}

static void a_stop_ends_all_that_wait(void **state)
{
    (void)state;
    enum { WAITING = 12 };
    peer p;
    encoder_options o;
    char url[64];
    err e = ERR_INIT;
    encode_asks *asks = NULL;
    static waiter waiters[WAITING];
    encode_asks_status status;
    peer_start(&p, &o, url, sizeof url);
    atomic_store(&p.hang, 1);
    assert_int_equal(encode_asks_new(&asks, &o, &e), ERR_OK);
    for (unsigned i = 0; i < WAITING; i++) {
        waiter_init(&waiters[i], i, 1000);
        assert_true(encode_asks_submit(asks, &waiters[i].ask));
    }
    while (atomic_load(&p.calls) < SERVERS) {
        sched_yield();
    }
    encode_asks_stop(asks);
    for (unsigned i = 0; i < WAITING; i++) {
        waiter_end(&waiters[i]);
        assert_int_equal(waiters[i].ends, 1);
        assert_null(waiters[i].ask.vector);
    }
    waiter late;
    waiter_init(&late, 1, 1);
    assert_false(encode_asks_submit(asks, &late.ask));
    assert_null(late.ask.vector);
    encode_asks_tell(asks, &status);
    assert_true(status.ends[ENCODE_ASK_PAUSED] == 1);
    encode_asks_free(asks);
    peer_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ask_ends_once_with_the_vector_of_its_text),
        cmocka_unit_test(a_stop_ends_all_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
