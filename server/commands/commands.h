/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: the list of the subcommands (server/cli/command.h).
 */
#ifndef SERVER_COMMANDS_H
#define SERVER_COMMANDS_H

#include "server/cli/command.h"

extern const command cmd_serve, cmd_ping, cmd_key;
extern const command cmd_train, cmd_eval, cmd_tune;
extern const command cmd_check, cmd_generations, cmd_snapshot, cmd_migrate;
extern const command cmd_import, cmd_encode, cmd_export, cmd_demo;
extern const command cmd_cluster; /* missing in a build without the cluster */

/* In the order in which --help lists them; NULL ends the list. */
extern const command *const commands[];

#endif
