/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help: what the binary says about itself, made from the tables.
 *
 * The hidden words print the parts of documents that are kept in step with the code:
 * --help-config the example configuration file of `stair serve`, --help-markdown the rows of the
 * README's configuration table. One thread at a time.
 */
#ifndef SERVER_HELP_H
#define SERVER_HELP_H

#include <stdbool.h>
#include <stdio.h>

#include "server/cli/command.h"

void help_all(FILE *to);
void help_command(const command *c, FILE *to);

/* help_hidden prints what a hidden word asks for; false if `word` is none. */
bool help_hidden(const char *word, FILE *to);

/* interrupt_install makes interrupt_requested work; main calls it. */
void interrupt_install(void);

#endif
