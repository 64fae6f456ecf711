/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tune: chooses the strengths and a few other knobs by validation, within a budget of epochs.
 *
 * The right weight of content differs from catalogue to catalogue, and a wrong one costs a fifth of
 * the recall. Knobs are chosen one after the other, each by successive halving: all candidates
 * train for a few epochs, the best third trains on to three times as many, and the best of these is
 * kept if it clearly beats the setting so far. The first knob is the forward strength, from plain
 * averaging; then come the learning rate, the backward strength, the weight decay, the dimensions,
 * the layers and the neighbours, each with the earlier ones as chosen. Candidates are few, so that
 * each trains long enough to show its worth.
 *
 * Only validation interactions decide. Where there are none, one of each user is set aside.
 *
 * Deterministic. One thread calls.
 */
#ifndef CORE_TUNE_H
#define CORE_TUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/model/dataset.h"
#include "core/model/train_options.h"

/* Training epochs for all knobs together, by default. */
enum { TUNE_BUDGET_DEFAULT = 800, TUNE_BUDGET_GAMMA = 420 };

/* A setting is left only for one whose metric is so many times its own. Seeds alone move it by 3 %
 * (tiktok), so taking the luckiest of near equals at every knob ends behind the start. */
#define TUNE_GAIN_MIN 1.04

typedef struct tune_setting {
    train_options options;
    uint32_t neighbours[MODALITIES_MAX]; /* by the dataset's modalities */
} tune_setting;

typedef struct tune_trial {
    const char *knob; /* static: "forward", "rate", "backward", "weight-decay", "dimensions",
                         "layers", "neighbours" */
    tune_setting setting;
    uint32_t epochs; /* trained */
    double value;    /* best validation metric within them */
    bool chosen;     /* the best of its knob */
} tune_trial;

typedef struct tune_result {
    tune_setting best;
    double value;
    tune_trial *trials; /* (count) in the order they ran */
    size_t count;
    uint32_t epochs; /* trained in all */
} tune_result;

typedef struct tune_options {
    uint32_t budget_epochs; /* 0: the default; with few, the last knobs are left out */
    bool gamma_only;        /* only the two strengths: the rule of `--gamma auto` */
    /* Called after every trial; may be NULL. */
    void (*trial)(void *ctx, const tune_trial *t, uint32_t epochs, uint32_t budget);
    void *ctx;
    bool (*cancelled)(void *ctx); /* may be NULL */
    void *cancelled_ctx;
} tune_options;

/* tune_run starts from `base`. Free the result by tune_result_free. ERR_INVALID without anything to
 * validate on. */
err_code tune_run(tune_result **out, const dataset *d, const train_options *base,
                  const tune_options *o, err *e) ERR_CHECKED;
void tune_result_free(tune_result *r); /* accepts NULL */

/* tune_apply writes the neighbours of a setting into a dataset. */
void tune_apply(const tune_setting *s, dataset *d);

#endif
