/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_stage: one run of the training loop. train_run has one stage, train_refit two.
 */
#ifndef CORE_TRAIN_STAGE_H
#define CORE_TRAIN_STAGE_H

#include "core/train/loop/prepare.h"
#include "core/train/loop/train.h"

typedef struct train_job {
    const dataset *d;
    /* The data as in the store. The model is measured on its test pairs over the graph of its
     * training pairs, and completed over the pairs of all its splits. NULL: d. */
    const dataset *served;
    const train_options *o;
    const train_hooks *h;
    /* Stage 1 is the second run of a refit. It evaluates nothing, and takes over what `first`
     * found: best epoch, validation metrics and curve. NULL if the checkpoint to resume contains
     * them, or if there was nothing to find and all o->epochs run. */
    uint32_t stage;
    bool refit; /* this is one of the two runs of a refit */
    const model *first;
    /* The result of prepare_run for the same data and neighbours, borrowed. The model then has no
     * modalities. NULL: prepared here. */
    const prepared *prepared;
    /* What one run leaves to the next over the same features: whitened modalities and item graph.
     * They are used if present. Stage 0 leaves its own here, and its model then has no modalities.
     * The caller frees them with prepared_fini. NULL: nothing is passed on. */
    prepared *passed;
} train_job;

err_code train_stage_run(model **out, const train_job *job, err *e) ERR_CHECKED;

#endif
