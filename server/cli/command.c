/* SPDX-License-Identifier: Apache-2.0 */
/* command: what commands share besides their table: interruption and wrong usage. */
#include "server/cli/command.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/cli/help.h"

static volatile sig_atomic_t interrupted;

bool interrupt_requested(void *unused)
{
    (void)unused;
    return interrupted != 0;
}

static void on_interrupt(int number)
{
    interrupted = 1;
    (void)signal(number, SIG_DFL);
}

void interrupt_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static const command *const no_commands[] = {NULL};
static const command *const *commands = no_commands;

void command_list_set(const command *const *all)
{
    commands = all;
}

const command *const *command_list(void)
{
    return commands;
}

bool command_knows_key(void *unused, const char *key)
{
    (void)unused;
    for (const command *const *c = commands; *c != NULL; c++) {
        if (options_find_key((*c)->options, key) != NULL) {
            return true;
        }
    }
    return false;
}

err_code command_usage(const command_call *call, err *e, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *call->usage = true;
    return err_set(e, ERR_INVALID, "%s", text);
}
