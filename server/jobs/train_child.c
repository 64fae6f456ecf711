/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PROGRESS_FD = TRAIN_CHILD_PROGRESS_FD, NICENESS = 10 };

extern char **environ;

static err_code spawn(pid_t *out, char *const *argv, int progress_fd, int output_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    /* dup2 clears the close-on-exec flag unless it copies a descriptor onto itself. */
    posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
    posix_spawn_file_actions_adddup2(&actions, output_fd, 2);
    posix_spawn_file_actions_adddup2(&actions, progress_fd, PROGRESS_FD);
    /* The server blocks its signals in all threads, but the child must receive them. */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int rc = posix_spawn(out, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    errno = rc;
    return rc == 0 ? ERR_OK : ERR_IO;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

/* offer_to_oom_killer raises the child's score, so that the kernel ends the training and not the
 * service when memory runs out. Otherwise the child would inherit the service's protection
 * (OOMScoreAdjust). Raising the score needs no privilege. */
static void offer_to_oom_killer(pid_t child)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/oom_score_adj", (long)child);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "800", 3);
        (void)close(fd);
    }
}

err_code train_child_start(train_child *out, char *const *argv, err *e)
{
    enum { PROGRESS = 0, OUTPUT = 2 };
    int fds[4] = {-1, -1, -1, -1};
    err_code code = ERR_IO;
    *out = (train_child){.pid = 0, .progress_fd = -1, .output_fd = -1};
    if (pipe2(fds + PROGRESS, O_CLOEXEC) != 0 || pipe2(fds + OUTPUT, O_CLOEXEC) != 0) {
        goto done;
    }
    if (fds[PROGRESS + 1] == PROGRESS_FD) {
        fds[PROGRESS + 1] = fcntl(PROGRESS_FD, F_DUPFD_CLOEXEC, PROGRESS_FD + 1);
        (void)close(PROGRESS_FD);
        if (fds[PROGRESS + 1] < 0) {
            goto done;
        }
    }
    code = spawn(&out->pid, argv, fds[PROGRESS + 1], fds[OUTPUT + 1]);
    if (code == ERR_OK) {
        (void)setpriority(PRIO_PROCESS, (id_t)out->pid, NICENESS);
        offer_to_oom_killer(out->pid);
        out->progress_fd = fds[PROGRESS];
        out->output_fd = fds[OUTPUT];
        fds[PROGRESS] = fds[OUTPUT] = -1;
    }

done:
    if (code != ERR_OK) {
        (void)err_set(e, code, "the training cannot be started: %s", strerror(errno));
    }
    close_all(fds, sizeof fds / sizeof fds[0]);
    return code;
}
