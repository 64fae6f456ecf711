/* SPDX-License-Identifier: Apache-2.0 */
/*
 * racing_epoll: makes a loop of the server remove the listening socket from its epoll set before
 * the main thread does.
 *
 * Load it with LD_PRELOAD. libmicrohttpd aborts if the socket has already been removed. So a server
 * in which both a loop and the main thread remove it survives only by chance. Here it never
 * survives: the main thread's removal wakes the loops with a connection and waits until one of them
 * has removed the socket. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static atomic_int removed_from; /* the epoll set that a loop has taken the socket out of */

static void wait_for_a_loop(int set, int fd)
{
    struct sockaddr_storage at;
    socklen_t length = sizeof at;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)getsockname(fd, (struct sockaddr *)&at, &length);
    (void)connect(client, (struct sockaddr *)&at, length);
    for (int tries = 0; tries < 2000 && atomic_load(&removed_from) != set; tries++) {
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
    close(client);
}

int epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    int (*next)(int, int, int, struct epoll_event *);
    void *found = dlsym(RTLD_NEXT, "epoll_ctl");
    memcpy(&next, &found, sizeof next);
    int listening = 0;
    socklen_t length = sizeof listening;
    (void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
    if (op != EPOLL_CTL_DEL || !listening) {
        return next(set, op, fd, event);
    }
    if (gettid() == getpid()) {
        wait_for_a_loop(set, fd);
        return next(set, op, fd, event);
    }
    int result = next(set, op, fd, event);
    atomic_store(&removed_from, set);
    return result;
}
