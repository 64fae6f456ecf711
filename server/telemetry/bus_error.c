/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/bus_error.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    static const char text[] = "stair: the store is damaged: data.mdb is shorter than its pages, "
                               "or the disk cannot read one of them; restore a snapshot\n";
    (void)context;
    if (info->si_code != BUS_ADRERR) {
        (void)signal(number, SIG_DFL); /* the instruction runs again and ends the process */
        return;
    }
    /* Only calls that a signal handler may make. If the line is lost, the exit status still
     * tells. */
    ssize_t wrote = 0;
    for (size_t at = 0; at < sizeof text - 1; at += (size_t)wrote) {
        wrote = write(STDERR_FILENO, text + at, sizeof text - 1 - at);
        if (wrote <= 0) {
            break;
        }
    }
    _exit(EXIT_FAILURE);
}

void bus_error_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_bus_error;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_SIGINFO;
    (void)sigaction(SIGBUS, &action, NULL);
}
