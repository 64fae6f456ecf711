/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train: makes a model from a dataset (docs/model.md).
 *
 * Preparation whitens the features, finds neighbours and builds both graphs. Each step is then a
 * pass of forward convolution, BPR, the backward pass, and AdamW with the smoothed update, over the
 * whole graph. Every eval_every-th epoch measures the validation metric and keeps the best tables.
 * The caller provides clock, progress, cancellation and checkpoints, through hooks.
 *
 * The same dataset, options and threads give the same bytes, also if the training was interrupted
 * and resumed. One thread calls; it uses options.threads OpenMP threads and sets OpenBLAS to one
 * thread.
 */
#ifndef CORE_TRAIN_H
#define CORE_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/model/model.h"
#include "core/model/train_options.h"

typedef enum train_phase {
    TRAIN_PREPARING = 0, /* features and graphs; `what` says which */
    TRAIN_RUNNING,
    TRAIN_EVALUATING,
    TRAIN_FINISHING,
} train_phase;

typedef struct train_progress {
    train_phase phase;
    const char *what;          /* a modality's name while preparing, else NULL */
    uint32_t epoch, epochs;    /* epoch: finished ones */
    double fraction;           /* of the present epoch, 0 .. 1 */
    double loss;               /* running mean of the present epoch */
    const eval_metrics *valid; /* the last evaluation, NULL before the first */
    uint32_t best_epoch;       /* 0 before the first evaluation */
    double seconds;            /* since the start, 0 without a clock */
} train_progress;

/* Every member may be NULL. All are called on the training thread, never inside a parallel part. */
typedef struct train_hooks {
    double (*seconds)(void *ctx);                         /* a monotonic clock */
    void (*progress)(void *ctx, const train_progress *p); /* several times an epoch */
    bool (*cancelled)(void *ctx);                         /* asked at every step */
    /* save is given a checkpoint after an evaluated epoch, at most about a twentieth of the time;
     * the bytes are borrowed for the call. A checkpoint is an aid: a failure of it is told once by
     * `unsaved`, and the training goes on and tries again later. */
    err_code (*save)(void *ctx, const void *bytes, size_t count, err *e);
    void (*unsaved)(void *ctx, const err *why);
    void *ctx;
    const void *resume; /* (resume_bytes) what save was given, or NULL to begin anew */
    size_t resume_bytes;
} train_hooks;

/* train_run trains. ERR_CANCELLED if asked to stop; ERR_CONFLICT if the checkpoint is of other data
 * or options; ERR_INVALID for an option out of range or a dataset without training pairs. */
err_code train_run(model **out, const dataset *d, const train_options *o, const train_hooks *h,
                   err *e) ERR_CHECKED;

/* train_refit trains twice: first to find the best epoch, with one pair of every user who has three
 * or more set aside (whatever the seed) where the dataset has no validation pairs, then that many
 * epochs on training and validation pairs together. The model's `valid` is the first run's; its
 * `test` is over the graph of the training pairs, as `stair eval` judges it. Checkpoints cover both
 * runs. */
err_code train_refit(model **out, const dataset *d, const train_options *o, const train_hooks *h,
                     err *e) ERR_CHECKED;

#endif
