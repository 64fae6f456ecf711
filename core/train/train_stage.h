/*
 * train_stage: one run of the training loop, which train_run and train_refit are made of.
 */
#ifndef CORE_TRAIN_STAGE_H
#define CORE_TRAIN_STAGE_H

#include "core/train/prepare.h"
#include "core/train/train.h"

typedef struct train_job {
    const dataset *d;
    const train_options *o;
    const train_hooks *h;
    /* Stage 1 is the second run of a refit: it evaluates nothing and hands on what `first` found:
     * best epoch, validation metrics and curve. NULL if the checkpoint to resume has them. */
    uint32_t stage;
    const model *first;
    /* What prepare_run made of the same data and neighbours, borrowed; the model then comes without
     * modalities. NULL: prepared here. */
    const prepared *prepared;
} train_job;

err_code train_stage_run(model **out, const train_job *job, err *e) ERR_CHECKED;

#endif
