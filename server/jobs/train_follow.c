/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_follow.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_SECONDS = 4 };

static void *follow_main(void *argument)
{
    struct pollfd end = {.fd = (int)(intptr_t)argument};
    pthread_setname_np(pthread_self(), "follow");
    while (poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    if ((end.revents & (POLLERR | POLLHUP)) != 0) {
        struct timespec grace = {GRACE_SECONDS, 0};
        (void)kill(getpid(), SIGTERM);
        nanosleep(&grace, NULL);
        (void)kill(getpid(), SIGKILL);
    }
    return NULL;
}

err_code train_follow(int progress_fd, err *e)
{
    pthread_t thread;
    sigset_t all, before;
    if (progress_fd < 0) {
        return ERR_OK;
    }
    sigfillset(&all); /* signals go to the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, NULL, follow_main, (void *)(intptr_t)progress_fd);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return err_set(e, ERR_IO, "a thread of the training: %s", strerror(rc));
    }
    pthread_detach(thread);
    return ERR_OK;
}
