/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/encode_asks.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/cli/command.h"
#include "server/encode/embed_client.h"
#include "server/telemetry/clock.h"

/* A call that takes longer is dropped, even if encoder_timeout, which is meant for batches, allows
 * more. */
static const double CALL_SECONDS_MAX = 10, IDLE_SECONDS = 1;
/* CALLS_MAX calls at once suffice: searches are few beside the batches of a catalogue. */
enum { CALLS_MAX = 4, LATE_MOST = 4 };
static const double PAUSE_FIRST = 0.5, PAUSE_MOST = 60;

typedef struct known_text {
    char *text; /* (length) */
    size_t length;
    float *vector; /* (width) */
    uint32_t width;
} known_text;

/* A running call. Its ask may have ended already. */
typedef struct ask_call {
    bool busy;
    encode_ask *ask; /* NULL if nobody waits for it any more */
    char *text;      /* (length) */
    size_t length;
} ask_call;

struct encode_asks {
    encoder_options options; /* immutable */
    embed_client *client;    /* only the thread uses this and the next three */
    unsigned failed;         /* failed calls in a row */
    double next_call;        /* no call before then, to keep the rate */
    ask_call calls[CALLS_MAX];
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* guards all that follows */
    bool stopping;
    double not_before;       /* no call before then, after a failure */
    unsigned late[2];        /* asks in a row that ended late, of items and of queries */
    double late_until[2];    /* asks of that kind are refused until then */
    double tokens, refilled; /* token bucket for the rate of queries */
    encode_asks_status status;
    encode_ask *waiting;
    size_t count;
    known_text known[ENCODE_KNOWN_MAX]; /* the remembered answers, as a ring */
    size_t next_known;
};

const char *encode_ask_end_name(encode_ask_end end)
{
    static const char *const names[ENCODE_ASK_ENDS] = {"known",  "answered", "late",   "failed",
                                                       "paused", "busy",     "limited"};
    return names[end];
}

/* --- what is known; the caller holds the mutex --- */

static const known_text *find(const encode_asks *x, slice text)
{
    for (size_t i = 0; i < ENCODE_KNOWN_MAX; i++) {
        const known_text *k = &x->known[i];
        if (k->vector != NULL && slice_equal((slice){k->text, k->length}, text)) {
            return k;
        }
    }
    return NULL;
}

static float *copy_of(const known_text *k, uint32_t *width)
{
    float *copy = k != NULL ? mem_array(k->width, sizeof *copy) : NULL;
    if (copy != NULL) {
        memcpy(copy, k->vector, k->width * sizeof *copy);
        *width = k->width;
    }
    return copy;
}

/* remember takes over the call's text and the result's vector. */
static const known_text *remember(encode_asks *x, ask_call *c, embed_vectors *v)
{
    known_text *k = &x->known[x->next_known++ % ENCODE_KNOWN_MAX];
    mem_free(k->text);
    mem_free(k->vector);
    *k = (known_text){c->text, c->length, v->numbers, v->width};
    c->text = NULL;
    v->numbers = NULL;
    return k;
}

/* --- asks; the caller holds the mutex --- */

static void unlink_ask(encode_asks *x, const encode_ask *ask)
{
    encode_ask **link = &x->waiting;
    while (*link != NULL && *link != ask) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = ask->next;
        x->count--;
    }
}

/* take_ended unlinks an ask whose time is up, or any ask if `all`. It returns NULL if there is
 * none. */
static encode_ask *take_ended(encode_asks *x, double now, bool all)
{
    encode_ask *ask = x->waiting;
    while (ask != NULL && !all && now < ask->until) {
        ask = ask->next;
    }
    if (ask != NULL) {
        unlink_ask(x, ask);
        for (size_t i = 0; i < CALLS_MAX; i++) {
            x->calls[i].ask = x->calls[i].ask != ask ? x->calls[i].ask : NULL;
        }
    }
    return ask;
}

/* nearest_end returns the seconds until the next thing to do. */
static double nearest_end(const encode_asks *x, double now)
{
    double until = now + IDLE_SECONDS;
    for (const encode_ask *ask = x->waiting; ask != NULL; ask = ask->next) {
        until = ask->until < until ? ask->until : until;
        until = !ask->called && x->next_call > now && x->next_call < until ? x->next_call : until;
    }
    return until > now ? until - now : 0;
}

/* --- the thread --- */

static void end_ask(encode_ask *ask, float *vector, uint32_t width)
{
    ask->vector = vector;
    ask->width = vector != NULL ? width : 0;
    ask->done(ask);
}

/* pause_for returns how long to make no calls after a failure. */
static double pause_for(unsigned failed, double retry_after)
{
    double pause = PAUSE_FIRST * (double)(1U << (failed < 8 ? failed : 8));
    pause = pause < PAUSE_MOST ? pause : PAUSE_MOST;
    return pause > retry_after ? pause : retry_after;
}

/* note_late counts an ask that ended without an answer, and pauses asks of its kind after several
 * in a row. Without the pause, an encoder that hangs or is too slow would delay every request.
 * Queries may wait longer than items, so each kind has its own pause. The caller holds the
 * mutex. */
static void note_late(encode_asks *x, const encode_ask *ask, double now)
{
    unsigned *late = &x->late[ask->query];
    x->status.ends[ENCODE_ASK_LATE]++;
    if (now < x->late_until[ask->query]) {
        return; /* it was asked before the pause began */
    }
    (*late)++;
    if (*late >= LATE_MOST) {
        x->late_until[ask->query] = now + pause_for(*late - LATE_MOST, 0);
        snprintf(x->status.problem, sizeof x->status.problem,
                 "no answer within the time that a request may wait");
    }
}

static void on_done(void *ctx, void *call, embed_result *result)
{
    encode_asks *x = ctx;
    ask_call *c = call;
    encode_ask *ask = c->ask;
    float *vector = NULL;
    uint32_t width = 0;
    pthread_mutex_lock(&x->mutex);
    bool good = result->outcome == EMBED_DONE;
    x->status.ends[good ? ENCODE_ASK_ANSWERED : ENCODE_ASK_FAILED] += ask != NULL;
    if (good && ask != NULL) {
        x->late[ask->query] = 0;
    }
    if (good) {
        const known_text *k = remember(x, c, &result->vectors);
        vector = ask != NULL ? copy_of(k, &width) : NULL;
    } else if (result->outcome == EMBED_FAILED) {
        x->not_before = clock_seconds() + pause_for(x->failed, result->retry_after);
        snprintf(x->status.problem, sizeof x->status.problem, "%.127s", result->why);
    }
    if (ask != NULL) {
        unlink_ask(x, ask);
    }
    mem_free(c->text);
    *c = (ask_call){.busy = false};
    pthread_mutex_unlock(&x->mutex);
    x->failed = result->outcome == EMBED_FAILED ? x->failed + 1 : 0;
    if (ask != NULL) {
        end_ask(ask, vector, width);
    }
}

/* start begins the call of an ask. The ask may end before the call does. The caller holds the
 * mutex. */
static bool start(encode_asks *x, encode_ask *ask)
{
    ask_call *c = x->calls;
    while (c < x->calls + CALLS_MAX && c->busy) {
        c++;
    }
    if (c == x->calls + CALLS_MAX) {
        return false;
    }
    char *text = mem_array(ask->text.length, 1);
    if (text == NULL) {
        return false;
    }
    memcpy(text, ask->text.at, ask->text.length);
    *c = (ask_call){true, ask, text, ask->text.length};
    if (embed_client_start(x->client, &ask->text, 1, 0, c, NULL) != ERR_OK) {
        mem_free(text);
        *c = (ask_call){.busy = false};
        return false;
    }
    ask->called = true;
    return true;
}

/* start_some begins all calls that may begin. The caller holds the mutex. */
static void start_some(encode_asks *x, double now)
{
    for (encode_ask *ask = x->waiting; ask != NULL; ask = ask->next) {
        if (ask->called) {
            continue;
        }
        if (now < x->not_before || now < x->next_call || !start(x, ask)) {
            break;
        }
        if (x->options.rate > 0) {
            x->next_call = now + 1 / x->options.rate;
        }
    }
}

/* step ends and begins what is due. It returns false when the thread is to stop. */
static bool step(encode_asks *x, double *seconds)
{
    double now = clock_seconds();
    pthread_mutex_lock(&x->mutex);
    bool stopping = x->stopping;
    encode_ask *ended = take_ended(x, now, stopping);
    if (ended != NULL) {
        note_late(x, ended, now);
    }
    if (ended == NULL) {
        start_some(x, now);
        *seconds = nearest_end(x, now);
    } else {
        *seconds = 0;
    }
    pthread_mutex_unlock(&x->mutex);
    if (ended != NULL) {
        end_ask(ended, NULL, 0);
    }
    return ended != NULL || !stopping;
}

static void *asks_main(void *argument)
{
    encode_asks *x = argument;
    double seconds = 0;
    pthread_setname_np(pthread_self(), "encoder-asks");
    while (step(x, &seconds)) {
        embed_client_poll(x->client, seconds, on_done, x);
    }
    return NULL;
}

/* --- from any thread --- */

/* take_token takes one token of the rate of queries. A second's tokens may be used in one burst.
 * The caller holds the mutex. */
static bool take_token(encode_asks *x, double now)
{
    double rate = x->options.query_rate, most = rate > 1 ? rate : 1;
    if (rate == 0) {
        return true;
    }
    x->tokens += (now - x->refilled) * rate;
    x->tokens = x->tokens < most ? x->tokens : most;
    x->refilled = now;
    if (x->tokens < 1) {
        return false;
    }
    x->tokens -= 1;
    return true;
}

/* refusal returns why an ask is refused, or ENCODE_ASK_ENDS if it is accepted. The caller holds the
 * mutex. */
static encode_ask_end refusal(encode_asks *x, const encode_ask *ask, double now)
{
    if (x->stopping || now < x->not_before || now < x->late_until[ask->query]) {
        return ENCODE_ASK_PAUSED;
    }
    if (x->count == ENCODE_ASKS_MAX) {
        return ENCODE_ASK_BUSY;
    }
    return ask->query && !take_token(x, now) ? ENCODE_ASK_LIMITED : ENCODE_ASK_ENDS;
}

bool encode_asks_submit(encode_asks *x, encode_ask *ask)
{
    double now = clock_seconds();
    ask->vector = NULL;
    ask->width = 0;
    ask->called = false;
    pthread_mutex_lock(&x->mutex);
    ask->vector = copy_of(find(x, ask->text), &ask->width);
    encode_ask_end end = ask->vector != NULL ? ENCODE_ASK_KNOWN : ENCODE_ASK_ENDS;
    if (ask->vector == NULL && ask->seconds > 0) {
        end = refusal(x, ask, now);
    }
    bool taken = ask->vector == NULL && ask->seconds > 0 && end == ENCODE_ASK_ENDS;
    if (end != ENCODE_ASK_ENDS) {
        x->status.ends[end]++;
    }
    if (taken) {
        encode_ask **last = &x->waiting;
        while (*last != NULL) {
            last = &(*last)->next;
        }
        ask->until = now + ask->seconds;
        ask->next = NULL;
        *last = ask;
        x->count++;
    }
    pthread_mutex_unlock(&x->mutex);
    if (taken) {
        embed_client_wake(x->client);
    }
    return taken;
}

float *encode_asks_known(encode_asks *x, slice text, uint32_t *width)
{
    pthread_mutex_lock(&x->mutex);
    float *vector = copy_of(find(x, text), width);
    pthread_mutex_unlock(&x->mutex);
    return vector;
}

void encode_asks_tell(encode_asks *x, encode_asks_status *out)
{
    double now = clock_seconds();
    pthread_mutex_lock(&x->mutex);
    *out = x->status;
    if (now >= x->not_before && now >= x->late_until[0] && now >= x->late_until[1]) {
        out->problem[0] = '\0';
    }
    pthread_mutex_unlock(&x->mutex);
}

/* --- making --- */

err_code encode_asks_new(encode_asks **out, const encoder_options *options, err *e)
{
    encode_asks *x = mem_array(1, sizeof *x);
    *out = NULL;
    if (x == NULL) {
        return err_nomem(e, "the encoder's asks");
    }
    pthread_mutex_init(&x->mutex, NULL);
    x->options = *options;
    x->tokens = x->options.query_rate > 1 ? x->options.query_rate : 1;
    x->refilled = clock_seconds();
    if (x->options.timeout > CALL_SECONDS_MAX) {
        x->options.timeout = CALL_SECONDS_MAX;
    }
    err_code code = embed_client_new(&x->client, &x->options, e);
    if (code == ERR_OK && pthread_create(&x->thread, NULL, asks_main, x) != 0) {
        code = err_set(e, ERR_IO, "the encoder's second thread cannot start");
    }
    x->started = code == ERR_OK;
    if (code != ERR_OK) {
        encode_asks_free(x);
        return code;
    }
    *out = x;
    return ERR_OK;
}

void encode_asks_stop(encode_asks *x)
{
    if (x != NULL && x->started) {
        pthread_mutex_lock(&x->mutex);
        x->stopping = true;
        pthread_mutex_unlock(&x->mutex);
        embed_client_wake(x->client);
        pthread_join(x->thread, NULL);
        x->started = false;
    }
}

void encode_asks_free(encode_asks *x)
{
    if (x == NULL) {
        return;
    }
    encode_asks_stop(x);
    embed_client_free(x->client);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        mem_free(x->calls[i].text);
    }
    for (size_t i = 0; i < ENCODE_KNOWN_MAX; i++) {
        mem_free(x->known[i].text);
        mem_free(x->known[i].vector);
    }
    pthread_mutex_destroy(&x->mutex);
    mem_free(x);
}
