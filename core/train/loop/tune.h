/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tune: chooses the strengths and a few other knobs on validation, within a budget of epochs.
 *
 * The right weight of content differs from catalogue to catalogue, and a wrong one costs a fifth of
 * the recall. Knobs are chosen one after the other by successive halving: all candidates train for
 * a few epochs, the best third trains on to three times as many, and the best of these is kept if
 * it clearly beats the setting so far. The first knob is the forward strength, starting from plain
 * averaging. The learning rate, the backward strength, the weight decay, the dimensions, the layers
 * and the neighbours follow, each with the earlier knobs as chosen. There are few candidates, so
 * that each trains long enough to show its quality.
 *
 * Only validation interactions decide. If there are none, one interaction of each user is set
 * aside.
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

/* Default number of training epochs for all knobs together. */
enum { TUNE_BUDGET_DEFAULT = 800, TUNE_BUDGET_GAMMA = 420 };

/* A setting is replaced only by one whose metric is at least this factor of its own. The seed alone
 * changes the metric by 3 % (TikTok): without the margin, taking the luckiest of near equals at
 * every knob ends below the start. */
#define TUNE_GAIN_MIN 1.04

typedef struct tune_setting {
    train_options options;
    uint32_t neighbours[MODALITIES_MAX]; /* in the order of the dataset's modalities */
} tune_setting;

typedef struct tune_trial {
    const char *knob; /* static: "forward", "rate", "backward", "weight-decay", "dimensions",
                         "layers", "neighbours" */
    tune_setting setting;
    uint32_t epochs; /* epochs that it trained */
    double value;    /* best validation metric within them */
    bool chosen;     /* it is the best of its knob */
} tune_trial;

typedef struct tune_result {
    tune_setting best;
    double value;
    tune_trial *trials; /* (count) in the order in which they ran */
    size_t count;
    uint32_t epochs; /* epochs of all trials together */
} tune_result;

typedef struct tune_options {
    uint32_t budget_epochs; /* 0: the default; a small budget leaves out the last knobs */
    bool gamma_only;        /* tune only the two strengths, for `--gamma auto` */
    /* Called after every trial; may be NULL. */
    void (*trial)(void *ctx, const tune_trial *t, uint32_t epochs, uint32_t budget);
    void *ctx;
    bool (*cancelled)(void *ctx); /* may be NULL */
    void *cancelled_ctx;
} tune_options;

/* tune_run starts from `base`. Free the result with tune_result_free. ERR_INVALID: there is nothing
 * to validate on. */
err_code tune_run(tune_result **out, const dataset *d, const train_options *base,
                  const tune_options *o, err *e) ERR_CHECKED;
void tune_result_free(tune_result *r); /* accepts NULL */

/* tune_apply writes the neighbours of a setting into a dataset. */
void tune_apply(const tune_setting *s, dataset *d);

#endif
