/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/large.h"

#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/cluster/parcels.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

enum { PARCELS_MAX = 16, TRIES_PAUSE_MS = 300, NAMING_BYTES_MAX = 512 };

/* How long a message is remembered: longer than any writer waits for it. */
static const uint64_t REMEMBER_NS = 120ULL * NS_PER_SECOND;

typedef struct sending {
    uint64_t number; /* 0 if the entry is free */
    char *bytes;     /* (length); NULL once stored */
    size_t length;
    uint64_t since_ns;
    /* (naming_length) the message that names the blob, once stored */
    char naming[NAMING_BYTES_MAX];
    size_t naming_length;
} sending;

struct large {
    cluster *c;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    sending list[PARCELS_MAX]; /* guarded by mutex */
    /* used by the thread alone */
    parcels_link link;
};

/* --- the writer's side --- */

static sending *find(large *x, uint64_t number)
{
    for (size_t i = 0; i < PARCELS_MAX; i++) {
        if (x->list[i].number == number) {
            return &x->list[i];
        }
    }
    return NULL;
}

/* place finds an entry that is free, or whose message no writer waits for any more. */
static sending *place(large *x, uint64_t now)
{
    for (size_t i = 0; i < PARCELS_MAX; i++) {
        sending *s = &x->list[i];
        if (s->number == 0 || (s->bytes == NULL && now > s->since_ns + REMEMBER_NS)) {
            return s;
        }
    }
    return NULL;
}

void large_send(large *x, uint64_t number, slice bytes)
{
    char naming[NAMING_BYTES_MAX];
    size_t length = 0;
    pthread_mutex_lock(&x->mutex);
    const sending *known = find(x, number);
    if (known != NULL) {
        length = known->naming_length;
        memcpy(naming, known->naming, length);
    } else {
        sending *s = place(x, clock_ns());
        char *copy = s != NULL ? mem_copy(bytes.at, bytes.length) : NULL;
        /* if there is no entry or no memory, the writer sends the message again later */
        if (copy != NULL) {
            *s = (sending){
                .number = number, .bytes = copy, .length = bytes.length, .since_ns = clock_ns()};
            pthread_cond_signal(&x->wake);
        }
    }
    pthread_mutex_unlock(&x->mutex);
    if (length > 0) {
        publish_message(x->c, number, (slice){naming, length});
    }
}

/* --- the thread --- */

typedef struct reading {
    const char *at;
    size_t left;
} reading;

static err_code read_bytes(void *ctx, void *out, size_t room, size_t *got, err *e)
{
    reading *r = ctx;
    (void)e;
    *got = r->left < room ? r->left : room;
    memcpy(out, r->at, *got);
    r->at += *got;
    r->left -= *got;
    return ERR_OK;
}

/* store_bytes stores the message as a blob. It also enters the blob into the index, so that the
 * blob can be removed after its message has been trimmed. */
static err_code store_bytes(large *x, const sending *s, char naming[NAMING_BYTES_MAX],
                            size_t *length, err *e)
{
    parcel file;
    reading r = {s->bytes, s->length};
    err_code code = parcels_link_up(&x->link, x->c->setup.options, cluster_replicas(x->c), e);
    if (code != ERR_OK) {
        return code;
    }
    parcel_name(&file, "op");
    code = parcel_put(x->link.blobs, &file, read_bytes, &r, e);
    json_t *document = code == ERR_OK ? parcel_json(&file) : NULL;
    char *text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
    if (code == ERR_OK && (text == NULL || strlen(text) + 1 > NAMING_BYTES_MAX)) {
        code = err_nomem(e, "a large message");
    }
    if (code == ERR_OK) {
        naming[0] = 0;
        *length = strlen(text) + 1;
        memcpy(naming + 1, text, *length - 1);
        json_object_set_new(document, "created", json_integer((json_int_t)clock_now()));
        code = parcel_index_put(x->link.blobs, file.id, document, e);
        document = NULL;
    }
    json_decref(document);
    free(text); /* allocated by jansson */
    return code;
}

/* next_to_store returns the waiting message with the lowest number. */
static sending *next_to_store(large *x)
{
    sending *next = NULL;
    for (size_t i = 0; i < PARCELS_MAX; i++) {
        sending *s = &x->list[i];
        if (s->number != 0 && s->bytes != NULL && (next == NULL || s->number < next->number)) {
            next = s;
        }
    }
    return next;
}

/* store_one stores the bytes of an entry as a blob. The caller holds the mutex, which is released
 * meanwhile: no other thread changes an entry that still has its bytes. */
static void store_one(large *x, sending *s)
{
    err e = ERR_INIT;
    char naming[NAMING_BYTES_MAX];
    size_t length = 0;
    uint64_t number = s->number;
    pthread_mutex_unlock(&x->mutex);
    err_code code = store_bytes(x, s, naming, &length, &e);
    if (code == ERR_OK) {
        publish_message(x->c, number, (slice){naming, length});
    } else {
        log_event(LOG_WARN, "large_message_failed", log_text("error", e.text));
        cluster_pause(x->c, TRIES_PAUSE_MS);
    }
    pthread_mutex_lock(&x->mutex);
    bool over = code != ERR_OK && clock_ns() > s->since_ns + REMEMBER_NS;
    if (code == ERR_OK || over) {
        mem_free(s->bytes);
        s->bytes = NULL;
        memcpy(s->naming, naming, length);
        s->naming_length = length;
    }
}

static void *large_main(void *argument)
{
    large *x = argument;
    pthread_setname_np(pthread_self(), "cluster-large");
    pthread_mutex_lock(&x->mutex);
    while (!cluster_is_stopping(x->c)) {
        sending *s = next_to_store(x);
        if (s != NULL) {
            store_one(x, s);
        } else {
            struct timespec until = clock_deadline(500ULL * NS_PER_MS);
            (void)pthread_cond_timedwait(&x->wake, &x->mutex, &until);
        }
    }
    pthread_mutex_unlock(&x->mutex);
    parcels_link_down(&x->link);
    nats_ReleaseThreadMemory();
    return NULL;
}

err_code large_new(large **out, cluster *c, err *e)
{
    *out = NULL;
    large *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "the cluster");
    }
    x->c = c;
    pthread_mutex_init(&x->mutex, NULL);
    clock_cond_init(&x->wake);
    int failed = pthread_create(&x->thread, NULL, large_main, x);
    if (failed != 0) {
        mem_free(x);
        return err_set(e, ERR_IO, "the cluster's thread: %s", strerror(failed));
    }
    *out = x;
    return ERR_OK;
}

void large_free(large *x)
{
    if (x != NULL) {
        pthread_mutex_lock(&x->mutex);
        pthread_cond_signal(&x->wake);
        pthread_mutex_unlock(&x->mutex);
        pthread_join(x->thread, NULL);
        for (size_t i = 0; i < PARCELS_MAX; i++) {
            mem_free(x->list[i].bytes);
        }
        pthread_mutex_destroy(&x->mutex);
        pthread_cond_destroy(&x->wake);
        mem_free(x);
    }
}

/* --- the readers' side --- */

bool large_named(slice message)
{
    return message.length > 1 && message.at[0] == 0;
}

typedef struct collecting {
    char *at;
    size_t used, room;
} collecting;

static err_code collect_bytes(void *ctx, const void *bytes, size_t count, err *e)
{
    collecting *x = ctx;
    if (count > x->room - x->used) {
        return err_set(e, ERR_CORRUPT, "a large message is longer than announced");
    }
    memcpy(x->at + x->used, bytes, count);
    x->used += count;
    return ERR_OK;
}

err_code large_fetch(cluster *c, const nats_link *k, slice message, slice *out, err *e)
{
    parcel file;
    parcels *blobs = NULL;
    *out = (slice){NULL, 0};
    json_t *document = json_loadb(message.at + 1, message.length - 1, 0, NULL);
    bool read = parcel_from_json(&file, document);
    json_decref(document);
    if (!read || file.bytes > (uint64_t)OP_BYTES_MAX + NAMING_BYTES_MAX) {
        return err_set(e, ERR_CORRUPT, "a message of the log refers to a blob that cannot be read");
    }
    collecting x = {.at = mem_array((size_t)file.bytes + 1, 1), .room = (size_t)file.bytes};
    if (x.at == NULL) {
        return err_nomem(e, "a large message");
    }
    err_code code = parcels_open(&blobs, k, c->setup.options->name, cluster_replicas(c), e);
    code = code == ERR_OK ? parcel_get(blobs, &file, collect_bytes, &x, e) : code;
    parcels_close(blobs);
    if (code != ERR_OK) {
        mem_free(x.at);
        return code;
    }
    *out = (slice){x.at, x.used};
    return ERR_OK;
}
