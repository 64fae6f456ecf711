/*
 * train_stage: one run of the training loop, which train_run and train_refit are made of.
 */
#ifndef CORE_TRAIN_STAGE_H
#define CORE_TRAIN_STAGE_H

#include "core/train.h"

typedef struct train_job {
    const dataset *d;
    const train_options *o;
    const train_hooks *h;
    /* Stage 1 is the second run of a refit: it evaluates nothing and hands on what `first` found:
     * best epoch, validation metrics and curve. NULL if the checkpoint to resume has them. */
    uint32_t stage;
    const model *first;
} train_job;

err_code train_stage_run(model **out, const train_job *job, err *e) ERR_CHECKED;

#endif
