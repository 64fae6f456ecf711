/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help: prints the binary's help, made from its tables.
 *
 * The hidden words print the parts of documents that must match the code: --help-config prints the
 * example configuration file of `stair serve`, --help-markdown the rows of the configuration table.
 * One thread at a time.
 */
#ifndef SERVER_HELP_H
#define SERVER_HELP_H

#include <stdbool.h>
#include <stdio.h>

#include "server/cli/command.h"

void help_all(FILE *to);
void help_command(const command *c, FILE *to);

/* help_hidden prints what a hidden word asks for. It returns false for any other word. */
bool help_hidden(const char *word, FILE *to);

/* interrupt_install makes interrupt_requested work. main calls it. */
void interrupt_install(void);

#endif
