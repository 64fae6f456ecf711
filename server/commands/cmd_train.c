/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair train: from the store's data to a new generation, beside a live server or without one.
 */
#include "server/jobs/train_command.h"

static const option table[] = {
    TRAIN_SHARED_OPTIONS,
    {.name = "refit",
     OPTION_FIELD(train_arguments, refit, OPTION_BOOL),
     .help = "after the best epoch is found, train that many epochs on all interactions; always so "
             "where none is set aside for validation"},
    {.name = "resume",
     OPTION_FIELD(train_arguments, resume, OPTION_BOOL),
     .help = "go on from the checkpoint of a training that was stopped or killed"},
    {.name = "activate",
     OPTION_FIELD(train_arguments, activate, OPTION_CHOICE),
     .choices = "auto|yes|no",
     .help = "whether the result takes over; auto: if its validation metric is at least 0.98 of "
             "the active generation's"},
    {.name = "progress-fd",
     OPTION_FIELD(train_arguments, progress_fd, OPTION_INT),
     .initial = "-1",
     .min = -1,
     .max = 1024,
     .help = "descriptor that gets one line per epoch, for the process that started this one; the "
             "training ends when the reader of the pipe has gone"},
    OPTION_JSON(train_arguments),
    OPTION_END};

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
