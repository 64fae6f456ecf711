/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: a subcommand of the binary.
 *
 * Each has its own server/commands/cmd_NAME.c and is one constant, `const command cmd_NAME`,
 * declared and listed in server/commands/commands.[hc]. main reads the options by the command's
 * table, so a command starts with a filled struct. It prints its result on standard output and
 * progress on standard error, and returns an error, which main prints in one line.
 *
 * Exit status: 0; 1 for a failure; 2 for wrong usage of the command line or configuration; 130 when
 * interrupted.
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"
#include "server/cli/options.h"

typedef struct command_call {
    const void *options;         /* the command's own struct, filled from all sources */
    const option_values *values; /* tells which options were given; arguments that are not flags */
    bool *usage;                 /* set by command_usage: the exit status is 2 */
    const char *program;         /* path of this binary, for starting it again */
} command_call;

typedef struct command {
    const char *name;
    const char *summary; /* one line, lower case, no full stop */
    /* text after the options in the usage line; NULL if there are no arguments */
    const char *usage;
    const option *options;
    size_t options_bytes; /* sizeof the struct that `options` fills */
    /* it trains or serves, so OpenMP's threads should wait without spinning */
    bool parallel;
    /* it handles signals itself; otherwise SIGINT and SIGTERM set interrupt_requested */
    bool own_signals;
    err_code (*run)(const command_call *call, err *e);
} command;

/* command_list_set sets the list of all commands, which NULL ends. main calls it first.
 * command_list returns the list, which is empty before. */
void command_list_set(const command *const *all);
const command *const *command_list(void);

/* command_knows_key tells whether any command has this key in a configuration file. It can be used
 * as option_input.known. */
bool command_knows_key(void *unused, const char *key);

/* command_usage sets ERR_INVALID and makes the exit status 2. It is for faults that the table
 * cannot check, such as two options that exclude each other. Returns ERR_INVALID. */
err_code command_usage(const command_call *call, err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* interrupt_requested returns true after the first SIGINT or SIGTERM. It ignores its argument, so
 * that it can be used as a `bool (*cancelled)(void *)`. A second signal ends the process.
 * Async-signal-safe and thread-safe. */
bool interrupt_requested(void *unused);

#endif
