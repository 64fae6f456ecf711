/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair tune: a training whose strengths, rate, decay, dimensions, layers and neighbours are chosen
 * by validation.
 */
#include "core/train/loop/tune.h"
#include "server/jobs/train_command.h"

static const option table[] = {
    TRAIN_SHARED_OPTIONS,
    {.name = "budget-epochs",
     OPTION_FIELD(train_arguments, budget_epochs, OPTION_INT),
     .min = 0,
     .max = 1000000,
     .help = "epochs to spend on choosing, the training of the chosen model not counted; with "
             "less than 40 some choices are not tried; 0: 800"},
    {.name = "refit",
     OPTION_FIELD(train_arguments, refit, OPTION_BOOL),
     .help = "after the best epoch is found, train that many epochs on all interactions; always so "
             "where none is set aside for validation"},
    {.name = "activate",
     OPTION_FIELD(train_arguments, activate, OPTION_CHOICE),
     .choices = "auto|yes|no",
     .help = "whether the result takes over; auto: if its validation metric is at least 0.98 of "
             "the active generation's"},
    OPTION_JSON(train_arguments),
    OPTION_END};

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
