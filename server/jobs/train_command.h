/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_command: what `stair train` and `stair tune` share, except their tables of options.
 */
#ifndef SERVER_TRAIN_COMMAND_H
#define SERVER_TRAIN_COMMAND_H

#include "server/cli/command.h"
#include "server/jobs/train_arguments.h"

typedef enum train_mode {
    TRAIN_AS_TOLD = 0, /* --gamma auto still chooses the strengths first */
    TRAIN_TUNED,       /* choose everything that can be chosen first */
} train_mode;

/* train_command_run trains, publishes and reports. call->options is a train_arguments. */
err_code train_command_run(const command_call *call, train_mode mode, err *e) ERR_CHECKED;

#endif
