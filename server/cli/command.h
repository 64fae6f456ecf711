/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: what a subcommand of the binary is.
 *
 * Each lives in its own server/commands/cmd_NAME.c and is one constant, `const command cmd_NAME`,
 * declared here and listed in server/commands/commands.c. main reads the options by the command's
 * table, so a command begins with a filled struct; it prints its result on standard output, its
 * story on standard error, and returns an error for main to print in one line.
 *
 * Exit status: 0; 1 for a failure; 2 for a wrong use of the command line or configuration;
 * 130 when interrupted.
 */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"
#include "server/cli/options.h"

typedef struct command_call {
    const void *options;         /* the command's struct, filled */
    const option_values *values; /* which were given; arguments that are no flags */
    bool *usage;                 /* see command_usage */
    const char *program;         /* path of this binary, to start it again */
} command_call;

typedef struct command {
    const char *name;
    const char *summary; /* one line, lower case, no full stop */
    const char *usage;   /* what follows the options in the usage line, or NULL: no arguments */
    const option *options;
    size_t options_bytes; /* sizeof the struct that `options` fills */
    bool parallel;        /* trains or serves: OpenMP's threads are to wait without spinning */
    bool own_signals;     /* else SIGINT and SIGTERM set what interrupt_requested tells */
    err_code (*run)(const command_call *call, err *e);
} command;

/* The commands that there are, ended by NULL. */
extern const command *const commands[];

extern const command cmd_serve, cmd_ping, cmd_key;
extern const command cmd_train, cmd_eval, cmd_tune;
extern const command cmd_check, cmd_generations, cmd_snapshot, cmd_migrate;
extern const command cmd_import, cmd_encode, cmd_export, cmd_demo;
extern const command cmd_cluster; /* not in a build for a single node alone */

/* command_knows_key tells whether any command has this key in a configuration file; it fits where
 * option_input wants `known`. */
bool command_knows_key(void *unused, const char *key);

/* command_usage sets ERR_INVALID and makes the exit status 2: for what the table cannot check,
 * such as two options that exclude each other. Returns ERR_INVALID. */
err_code command_usage(const command_call *call, err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* interrupt_requested is true from the first SIGINT or SIGTERM on; its argument is not used, so
 * that it fits where a `bool (*cancelled)(void *)` is wanted. A second signal ends the process.
 * Async-signal and thread-safe. */
bool interrupt_requested(void *unused);

#endif
