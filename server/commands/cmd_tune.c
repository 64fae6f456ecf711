/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair tune: trains with strengths, rate, decay, dimensions, layers and neighbours that validation
 * chooses.
 */
#include "server/commands/commands.h"
#include "server/jobs/train_command.h"

static err_code run(const command_call *call, err *e)
{
    return train_command_run(call, TRAIN_TUNED, e);
}

const command cmd_tune = {
    .name = "tune",
    .summary =
        "choose gamma, learning rate, dimensions and more by validation, and train with them",
    .options = tune_option_table,
    .options_bytes = sizeof(train_arguments),
    .parallel = true,
    .run = run,
};
