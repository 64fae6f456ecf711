/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair train: trains a new generation on the store's data, beside a live service or without one.
 */
#include "server/commands/commands.h"
#include "server/jobs/train_command.h"

static err_code run(const command_call *call, err *e)
{
    return train_command_run(call, TRAIN_AS_TOLD, e);
}

const command cmd_train = {
    .name = "train",
    .summary = "train a model on the store's interactions and features; writes a generation",
    .options = train_option_table,
    .options_bytes = sizeof(train_arguments),
    .parallel = true,
    .run = run,
};
