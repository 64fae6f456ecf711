/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/log_queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

/* Size of one write(2): what a pipe takes atomically, so that lines of other processes do not come
 * in between. */
enum { WRITE_BYTES = 4096 };

/* A line waits a moment for others, so that thousands of lines a second do not wake the thread one
 * by one. It does not wait once GATHER_BYTES are queued. */
enum { GATHER_BYTES = 16 * WRITE_BYTES };
static const struct timespec a_moment = {.tv_nsec = 4000000};

/* One process has one log. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t filled, written;
    char ring[LOG_QUEUE_BYTES]; /* guarded by mutex, like everything below up to the thread */
    size_t begin, length;
    uint64_t untold; /* dropped lines that no line has reported yet */
    bool started, stopping, ended;
    pthread_t thread;
    int fd;
    atomic_uint_fast64_t dropped;
    atomic_uint_fast64_t progress; /* bytes written */
} queue = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER,
    .written = PTHREAD_COND_INITIALIZER,
};

static void append(const char *line, size_t length)
{
    size_t at = (queue.begin + queue.length) % LOG_QUEUE_BYTES;
    size_t first = LOG_QUEUE_BYTES - at < length ? LOG_QUEUE_BYTES - at : length;
    memcpy(queue.ring + at, line, first);
    memcpy(queue.ring, line + first, length - first);
    queue.length += length;
}

/* tell_dropped writes how many lines are missing before the next one. */
static void tell_dropped(void)
{
    char line[LOG_LINE_MAX + 1];
    if (queue.untold == 0 || LOG_QUEUE_BYTES - queue.length < 2 * sizeof line) {
        return;
    }
    const log_field lines = log_int("lines", queue.untold);
    size_t length =
        log_format(line, LOG_LINE_MAX, clock_now_ms(), LOG_WARN, "log_dropped", &lines, 1);
    line[length] = '\n';
    append(line, length + 1);
    queue.untold = 0;
}

bool log_queue_put(const char *line, size_t length)
{
    pthread_mutex_lock(&queue.mutex);
    bool there = queue.started;
    if (there) {
        tell_dropped();
        if (queue.untold == 0 && !queue.stopping && length <= LOG_QUEUE_BYTES - queue.length) {
            bool first = queue.length == 0;
            append(line, length);
            if (first) {
                pthread_cond_signal(&queue.filled);
            }
        } else {
            queue.untold++;
            atomic_fetch_add_explicit(&queue.dropped, 1, memory_order_relaxed);
        }
    }
    pthread_mutex_unlock(&queue.mutex);
    return there;
}

/* take copies whole lines, at most WRITE_BYTES. */
static size_t take(char out[WRITE_BYTES])
{
    size_t length = queue.length < WRITE_BYTES ? queue.length : WRITE_BYTES;
    size_t first = LOG_QUEUE_BYTES - queue.begin < length ? LOG_QUEUE_BYTES - queue.begin : length;
    memcpy(out, queue.ring + queue.begin, first);
    memcpy(out + first, queue.ring, length - first);
    if (length < queue.length) {
        const char *end = memrchr(out, '\n', length);
        length = end != NULL ? (size_t)(end - out) + 1 : length;
    }
    return length;
}

static void write_all(const char *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t wrote = write(queue.fd, bytes + done, length - done);
        if (wrote < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd at = {.fd = queue.fd, .events = POLLOUT};
            (void)poll(&at, 1, -1);
        } else if (wrote < 0 && errno != EINTR) {
            break; /* nobody will ever read it */
        } else if (wrote > 0) {
            done += (size_t)wrote;
            atomic_fetch_add_explicit(&queue.progress, (uint64_t)wrote, memory_order_relaxed);
        }
    }
}

static void *log_thread(void *arg)
{
    char bytes[WRITE_BYTES];
    bool gathered = false;
    sigset_t all;
    (void)arg;
    sigfillset(&all); /* a reader that has gone is a failed write, and must not end the process */
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_mutex_lock(&queue.mutex);
    for (;;) {
        while (queue.length == 0 && !queue.stopping) {
            pthread_cond_wait(&queue.filled, &queue.mutex);
        }
        if (queue.length == 0) {
            break;
        }
        if (!queue.stopping && queue.length < GATHER_BYTES && !gathered) {
            pthread_mutex_unlock(&queue.mutex);
            (void)nanosleep(&a_moment, NULL);
            gathered = true;
            pthread_mutex_lock(&queue.mutex);
            continue;
        }
        size_t length = take(bytes);
        pthread_mutex_unlock(&queue.mutex);
        write_all(bytes, length);
        pthread_mutex_lock(&queue.mutex);
        queue.begin = (queue.begin + length) % LOG_QUEUE_BYTES;
        queue.length -= length;
        gathered = queue.length > 0;
        tell_dropped();
        pthread_cond_broadcast(&queue.written);
    }
    queue.ended = true;
    pthread_cond_broadcast(&queue.written);
    pthread_mutex_unlock(&queue.mutex);
    return NULL;
}

err_code log_queue_start(int fd, err *e)
{
    queue.fd = fd;
    queue.begin = queue.length = 0;
    queue.untold = 0;
    queue.stopping = queue.ended = false;
    if (pthread_create(&queue.thread, NULL, log_thread, NULL) != 0) {
        return err_set(e, ERR_IO, "the thread of the log cannot be started");
    }
    pthread_mutex_lock(&queue.mutex);
    queue.started = true;
    pthread_mutex_unlock(&queue.mutex);
    return ERR_OK;
}

static bool is_done(bool of_thread)
{
    return of_thread ? queue.ended : queue.length == 0;
}

/* wait_done waits with the lock held. It gives up if nothing was written for that long. */
static bool wait_done(bool of_thread, unsigned patience_ms)
{
    while (!is_done(of_thread)) {
        uint64_t before = atomic_load(&queue.progress);
        struct timespec until = clock_wall_deadline((uint64_t)patience_ms * NS_PER_MS);
        int rc = pthread_cond_timedwait(&queue.written, &queue.mutex, &until);
        if (rc == ETIMEDOUT && atomic_load(&queue.progress) == before && !is_done(of_thread)) {
            return false;
        }
    }
    return true;
}

void log_queue_flush(unsigned patience_ms)
{
    pthread_mutex_lock(&queue.mutex);
    if (queue.started) {
        (void)wait_done(false, patience_ms);
    }
    pthread_mutex_unlock(&queue.mutex);
}

void log_queue_stop(unsigned patience_ms)
{
    pthread_mutex_lock(&queue.mutex);
    bool started = queue.started;
    queue.stopping = true;
    pthread_cond_broadcast(&queue.filled);
    bool ended = !started || wait_done(true, patience_ms);
    /* otherwise later lines would block where this thread does */
    queue.started = started && !ended;
    pthread_mutex_unlock(&queue.mutex);
    if (started && ended) {
        pthread_join(queue.thread, NULL);
    } else if (started) {
        pthread_detach(queue.thread);
    }
}

uint64_t log_queue_dropped(void)
{
    return atomic_load_explicit(&queue.dropped, memory_order_relaxed);
}
