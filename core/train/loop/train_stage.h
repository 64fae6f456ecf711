/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_stage: one run of the training loop, which train_run and train_refit are made of.
 */
#ifndef CORE_TRAIN_STAGE_H
#define CORE_TRAIN_STAGE_H

#include "core/train/loop/prepare.h"
#include "core/train/loop/train.h"

typedef struct train_job {
    const dataset *d;
    /* The data as the store has it: the model is measured on its test pairs over the graph of its
     * training pairs, and finished over the pairs of all its splits. NULL: d. */
    const dataset *served;
    const train_options *o;
    const train_hooks *h;
    /* Stage 1 is the second run of a refit: it evaluates nothing and hands on what `first` found:
     * best epoch, validation metrics and curve. NULL if the checkpoint to resume has them, or if
     * nothing was to be found and all o->epochs are run. */
    uint32_t stage;
    bool refit; /* one of the two runs of a refit */
    const model *first;
    /* What prepare_run made of the same data and neighbours, borrowed; the model then comes without
     * modalities. NULL: prepared here. */
    const prepared *prepared;
    /* What a run leaves for the next over the same features: whitened modalities and item graph.
     * Taken if they are there; left behind by stage 0, whose model then comes without modalities.
     * The caller's to free with prepared_fini. NULL: nothing is passed on. */
    prepared *passed;
} train_job;

err_code train_stage_run(model **out, const train_job *job, err *e) ERR_CHECKED;

#endif
