/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair tune: trains with strengths, rate, decay, dimensions, layers and neighbours that validation
 * chooses.
 */
#include "core/train/loop/tune.h"
#include "server/jobs/train_command.h"

static const option table[] = {
#define OPTION(...)         OPTION_ENTRY(train_arguments, , __VA_ARGS__)
#define OPTION_OF_TUNE(...) OPTION(__VA_ARGS__)
#include "server/jobs/train_arguments.def"
    OPTION_END,
};

static err_code run(const command_call *call, err *e)
{
    return train_command_run(call, TRAIN_TUNED, e);
}

const command cmd_tune = {
    .name = "tune",
    .summary = "choose gamma, rate, dimensions and more by validation, and train with them",
    .options = table,
    .options_bytes = sizeof(train_arguments),
    .parallel = true,
    .run = run,
};
