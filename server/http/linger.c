/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/linger.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "server/cli/command.h"
#include "server/telemetry/clock.h"

enum { DROP_BYTES = 64 * 1024, LOOK_MS = 500 };

typedef struct kept {
    int fd;
    size_t bytes;
    double until;
} kept;

struct lingering {
    pthread_t thread;
    int wake; /* eventfd by which linger_take wakes the thread */
    pthread_mutex_t mutex;
    kept sockets[LINGER_SOCKETS_MAX]; /* (count) guarded by mutex; only the thread removes */
    size_t count;
    bool stopping;
};

/* drop reads and drops what has arrived, and returns true once the socket can be closed. */
static bool drop(kept *k)
{
    char bytes[DROP_BYTES];
    for (;;) {
        ssize_t got = recv(k->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0) {
            return clock_seconds() > k->until;
        }
        k->bytes += (size_t)got;
        if (got == 0 || k->bytes > LINGER_BYTES_MAX || clock_seconds() > k->until) {
            return true;
        }
    }
}

static void drop_all(lingering *l, const struct pollfd *polled, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        kept one = l->sockets[i];
        bool over = polled[i].revents == 0 ? clock_seconds() > one.until : drop(&one);
        pthread_mutex_lock(&l->mutex);
        if (over) {
            l->sockets[i] = l->sockets[--l->count];
        } else {
            l->sockets[i] = one;
        }
        pthread_mutex_unlock(&l->mutex);
        if (over) {
            (void)close(one.fd);
        }
    }
}

static void *linger_thread(void *arg)
{
    lingering *l = arg;
    struct pollfd polled[LINGER_SOCKETS_MAX + 1];
    for (;;) {
        pthread_mutex_lock(&l->mutex);
        size_t count = l->count;
        bool stopping = l->stopping;
        for (size_t i = 0; i < count; i++) {
            polled[i] = (struct pollfd){.fd = l->sockets[i].fd, .events = POLLIN};
        }
        pthread_mutex_unlock(&l->mutex);
        if (stopping) {
            return NULL;
        }
        polled[count] = (struct pollfd){.fd = l->wake, .events = POLLIN};
        (void)poll(polled, count + 1, count > 0 ? LOOK_MS : -1);
        if (polled[count].revents != 0) {
            uint64_t ignored;
            (void)!read(l->wake, &ignored, sizeof ignored);
        }
        drop_all(l, polled, count);
    }
}

err_code linger_new(lingering **out, err *e)
{
    *out = NULL;
    lingering *l = mem_array(1, sizeof *l);
    if (l == NULL) {
        return err_nomem(e, "closing connections");
    }
    pthread_mutex_init(&l->mutex, NULL);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake < 0 || pthread_create(&l->thread, NULL, linger_thread, l) != 0) {
        if (l->wake >= 0) {
            (void)close(l->wake);
        }
        pthread_mutex_destroy(&l->mutex);
        mem_free(l);
        return err_set(e, ERR_IO, "the thread that closes connections cannot be started");
    }
    *out = l;
    return ERR_OK;
}

static void wake(lingering *l)
{
    const uint64_t one = 1;
    (void)!write(l->wake, &one, sizeof one);
}

void linger_take(lingering *l, int socket)
{
    int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    (void)shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&l->mutex);
    bool taken = l->count < LINGER_SOCKETS_MAX;
    if (taken) {
        l->sockets[l->count++] = (kept){fd, 0, clock_seconds() + LINGER_SECONDS};
    }
    pthread_mutex_unlock(&l->mutex);
    if (taken) {
        wake(l);
    } else {
        (void)close(fd);
    }
}

void linger_free(lingering *l)
{
    if (l == NULL) {
        return;
    }
    pthread_mutex_lock(&l->mutex);
    l->stopping = true;
    pthread_mutex_unlock(&l->mutex);
    wake(l);
    pthread_join(l->thread, NULL);
    for (size_t i = 0; i < l->count; i++) {
        (void)close(l->sockets[i].fd);
    }
    (void)close(l->wake);
    pthread_mutex_destroy(&l->mutex);
    mem_free(l);
}
