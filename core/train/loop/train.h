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
#include "core/model/interaction_graph.h"
#include "core/model/model.h"
#include "core/model/train_options.h"

typedef enum train_phase {
    TRAIN_PREPARING = 0, /* features and graphs; `what` names the modality */
    TRAIN_RUNNING,
    TRAIN_EVALUATING,
    TRAIN_FINISHING,
} train_phase;

typedef struct train_progress {
    train_phase phase;
    const char *what;          /* name of a modality while preparing, otherwise NULL */
    uint32_t epoch, epochs;    /* epoch: number of finished epochs */
    double fraction;           /* done part of the current epoch, 0 .. 1 */
    double loss;               /* running mean over the current epoch */
    const eval_metrics *valid; /* the last evaluation; NULL before the first */
    uint32_t best_epoch;       /* 0 before the first evaluation */
    double seconds;            /* since the start; 0 without a clock */
} train_progress;

/* Every function may be NULL. All are called on the training thread, never inside a parallel
 * section. */
typedef struct train_hooks {
    double (*seconds)(void *ctx);                         /* reads a monotonic clock */
    void (*progress)(void *ctx, const train_progress *p); /* several times an epoch */
    bool (*cancelled)(void *ctx);                         /* called at every step */
    /* save receives a checkpoint after an evaluated epoch, for at most about a twentieth of the
     * time. The bytes are borrowed for the call. A failure to save is not fatal: `unsaved` is
     * called once, and training goes on and tries again later. */
    err_code (*save)(void *ctx, const void *bytes, size_t count, err *e);
    void (*unsaved)(void *ctx, const err *why);
    /* `place` places the items that have no pair in `taken`, the interactions that the service
     * uses. It is called when the model has E, links and the map. It may change the items' rows of
     * E and the content links; *placed is the number of items that it changed. */
    err_code (*place)(model *m, const dataset *d, const interaction_list *taken, size_t *placed,
                      err *e);
    void *ctx;
    const void *resume; /* (resume_bytes) a checkpoint that save received, or NULL to start anew */
    size_t resume_bytes;
} train_hooks;

/* train_run trains. ERR_CANCELLED: `cancelled` returned true. ERR_CONFLICT: the checkpoint belongs
 * to other data or options. ERR_INVALID: an option is out of range or the dataset has no training
 * pairs. */
err_code train_run(model **out, const dataset *d, const train_options *o, const train_hooks *h,
                   err *e) ERR_CHECKED;

/* train_refit trains twice. The first run finds the best epoch; if the dataset has no validation
 * pairs, one pair of every user who has three or more is set aside for it, whatever the seed. The
 * second run trains for that many epochs on training and validation pairs together. The model's
 * `valid` comes from the first run. Its `test` is measured over the graph of the training pairs, as
 * `stair eval` does. Checkpoints cover both runs. */
err_code train_refit(model **out, const dataset *d, const train_options *o, const train_hooks *h,
                     err *e) ERR_CHECKED;

#endif
