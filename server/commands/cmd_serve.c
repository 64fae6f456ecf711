/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair serve: the service. The main thread only waits for signals (sigtimedwait); our own threads
 * block them. OpenBLAS starts a thread before main, which does not block them: a signal that the
 * kernel delivers there is passed on to the main thread.
 */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/cli/serve_options.h"
#include "server/commands/commands.h"
#include "server/commands/service.h"
#include "server/telemetry/log.h"
#include "server/telemetry/supervisor.h"

/* wait_for_end waits until the service is to end. It returns true if the service must end because
 * it is broken. */
static bool wait_for_end(service *s, const sigset_t *signals)
{
    double seconds = service_tick_seconds(s);
    const struct timespec tick = {(time_t)seconds, (long)(1e9 * (seconds - floor(seconds)))};
    for (;;) {
        int number = sigtimedwait(signals, NULL, &tick);
        if (number == SIGTERM || number == SIGINT) {
            return false;
        }
        if (number == SIGHUP) {
            service_reload(s);
        }
        if (service_tick(s)) {
            return true;
        }
    }
}

static pthread_t main_thread;

static void pass_on(int number)
{
    (void)pthread_kill(main_thread, number);
}

static void claim_signals(const sigset_t *signals)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = pass_on;
    action.sa_flags = SA_RESTART;
    main_thread = pthread_self();
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

static err_code run(const command_call *call, err *e)
{
    const serve_options *o = call->options;
    sigset_t signals;
    service *s = NULL;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    claim_signals(&signals);
    err_code code = service_start(&s, o, call->values, e);
    if (code != ERR_OK) {
        supervisor_status("%s", e->text);
        *call->usage = code == ERR_INVALID;
        return code;
    }
    bool broken = wait_for_end(s, &signals);
    service_stop(s);
    if (broken) {
        return err_set(e, ERR_INTERNAL,
                       "the live tables fell behind the store; restart the service");
    }
    return ERR_OK;
}

const command cmd_serve = {
    .name = "serve",
    .summary = "answer requests over HTTP; the store may be empty",
    .options = serve_option_table,
    .options_bytes = sizeof(serve_options),
    .own_signals = true,
    .parallel = true,
    .run = run,
};
