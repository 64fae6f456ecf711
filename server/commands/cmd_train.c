/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair train: trains a new generation on the store's data, beside a live service or without one.
 */
#include "server/jobs/train_command.h"

static const option table[] = {
#define OPTION(...)          OPTION_ENTRY(train_arguments, , __VA_ARGS__)
#define OPTION_OF_TRAIN(...) OPTION(__VA_ARGS__)
#include "server/jobs/train_arguments.def"
    OPTION_END,
};

static err_code run(const command_call *call, err *e)
{
    return train_command_run(call, TRAIN_AS_TOLD, e);
}

const command cmd_train = {
    .name = "train",
    .summary = "learn from the store's interactions and features; writes a generation",
    .options = table,
    .options_bytes = sizeof(train_arguments),
    .parallel = true,
    .run = run,
};
