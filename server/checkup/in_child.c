/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/in_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/cli/command.h"
#include "server/cli/result.h"

void place_set(child_place *place, const char *what)
{
    snprintf(place->what, sizeof place->what, "%s", what);
}

/* be_child runs the work in the child and never returns. It sends the result through the pipe `to`,
 * and the parent's main prints it. */
static void be_child(const child_work *work, child_place *place, int to)
{
    err e = ERR_INIT;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGBUS, SIG_DFL); /* the parent reports it, with the place */
    e.code = work->run(work->ctx, place, &e);
    err unwritten = ERR_INIT;
    if (result_flush(&unwritten) != ERR_OK && e.code == ERR_OK) {
        e = unwritten;
    }
    (void)fflush(stderr);
    ssize_t put = write(to, &e, sizeof e);
    _exit(put == (ssize_t)sizeof e ? 0 : 1);
}

static err_code tell_death(const child_work *work, const child_place *place, int how, err *e)
{
    const char *at = place->what[0] != '\0' ? place->what : "opening it";
    if (WIFSIGNALED(how)) {
        return err_set(
            e, ERR_CORRUPT,
            "the store is damaged: %s died of signal %d (%s%s) at: %s; restore a snapshot",
            work->name, WTERMSIG(how), strsignal(WTERMSIG(how)),
            WTERMSIG(how) == SIGBUS
                ? ": data.mdb is shorter than its pages, or the disk cannot read one of them"
                : "",
            at);
    }
    return err_set(e, ERR_CORRUPT, "the store is damaged: %s ended with status %d at: %s",
                   work->name, WEXITSTATUS(how), at);
}

/* read_result reads the child's result. The pipe ends with the child, so this also waits for the
 * child. It passes an interrupt on to the child. */
static bool read_result(int from, pid_t child, err *result)
{
    size_t have = 0;
    bool told = false;
    while (have < sizeof *result) {
        ssize_t got = read(from, (char *)result + have, sizeof *result - have);
        if (got < 0 && errno == EINTR) {
            if (interrupt_requested(NULL) && !told) {
                told = true;
                (void)kill(child, SIGTERM);
            }
            continue;
        }
        if (got <= 0) {
            return false;
        }
        have += (size_t)got;
    }
    return true;
}

err_code in_child(const child_work *work, err *e)
{
    int ends[2];
    err result = ERR_INIT;
    if (work->last != NULL) {
        *work->last = (child_place){0};
    }
    child_place *place =
        mmap(NULL, sizeof *place, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) {
        return err_nomem(e, work->name);
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        (void)munmap(place, sizeof *place);
        return err_set(e, ERR_IO, "%s cannot be started: %s", work->name, strerror(errno));
    }
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        be_child(work, place, ends[1]);
    }
    int why = errno, how = 0;
    (void)close(ends[1]);
    err_code code = ERR_OK;
    if (child < 0) {
        code = err_set(e, ERR_IO, "%s cannot be started: %s", work->name, strerror(why));
    } else {
        bool told = read_result(ends[0], child, &result);
        while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
        }
        code = told ? result.code : tell_death(work, place, how, e);
        if (told && code != ERR_OK) {
            *e = result;
        }
    }
    if (work->last != NULL) {
        *work->last = *place;
    }
    (void)close(ends[0]);
    (void)munmap(place, sizeof *place);
    return code;
}
