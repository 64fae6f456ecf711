/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/violations.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/telemetry/clock.h"

struct violations {
    const natsConnection *connection;
    uint64_t at_ns; /* when the last violation was reported; 0: there is none to take */
    char text[VIOLATION_TEXT];
    violations *next;
};

/* The library can report an error after its connection was destroyed, so its handler finds the
 * connection in this list. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static violations *all; /* of the open connections; guarded by mutex, as are their members */

violations *violations_new(const natsConnection *connection)
{
    violations *v = mem_array(1, sizeof *v);
    if (v != NULL) {
        pthread_mutex_lock(&mutex);
        v->connection = connection;
        v->next = all;
        all = v;
        pthread_mutex_unlock(&mutex);
    }
    return v;
}

void violations_free(violations *v)
{
    pthread_mutex_lock(&mutex);
    for (violations **at = &all; *at != NULL; at = &(*at)->next) {
        if (*at == v) {
            *at = v->next;
            break;
        }
    }
    pthread_mutex_unlock(&mutex);
    mem_free(v);
}

void violations_note(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *ctx)
{
    const char *said = nats_GetLastError(NULL);
    (void)subscription;
    (void)ctx;
    if (status != NATS_NOT_PERMITTED) {
        return;
    }
    pthread_mutex_lock(&mutex);
    for (violations *v = all; v != NULL; v = v->next) {
        if (v->connection == connection) {
            v->at_ns = clock_ns();
            snprintf(v->text, sizeof v->text, "%.200s",
                     said != NULL && said[0] != '\0' ? said : natsStatus_GetText(status));
        }
    }
    pthread_mutex_unlock(&mutex);
}

bool violations_take(violations *v, uint64_t age_ns, char out[VIOLATION_TEXT])
{
    pthread_mutex_lock(&mutex);
    bool fresh = v->at_ns != 0 && clock_ns() - v->at_ns < age_ns;
    v->at_ns = 0;
    memcpy(out, v->text, sizeof v->text);
    pthread_mutex_unlock(&mutex);
    return fresh;
}
