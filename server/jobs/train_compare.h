/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_compare: decides by validation whether a trained model may replace the active generation.
 *
 * Both must be measured alike: by the same metric, under the same protocol, on interactions that
 * neither model has seen. If both can still be measured on the validation split, they are measured
 * over the same graph by the same rules (docs/model/evaluation.md). If one was refitted, it has
 * seen these interactions; then each model's figure from before its refit is used. What was set
 * aside for those figures depends only on the users' own interactions (core/train/loop/holdout.h).
 * If a figure is missing, the active generation stays unless the caller demands otherwise, and
 * `why` says so.
 */
#ifndef SERVER_TRAIN_COMPARE_H
#define SERVER_TRAIN_COMPARE_H

#include <stdbool.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/model.h"
#include "storage/env/store.h"

/* The active generation stays if the new model's metric is below this share of its metric. */
#define TAKE_OVER_SHARE 0.98

typedef struct contender {
    store *s;
    const dataset *d;
    const model *m;
    bool refit; /* m was also trained on the validation pairs */
} contender;

typedef struct comparison {
    bool takes_over;
    bool compared;          /* both figures are known */
    double mine, active;    /* metric of m's options, for m and for the active generation */
    char why[ERR_TEXT_MAX]; /* why it does not take over; "" if it does */
} comparison;

/* train_compare does not fail because of the active generation: one whose tables are not in the
 * store serves nobody and is replaced, and one that cannot be read for another reason stays, with
 * the reason in `why`. Without an active generation the new one takes over. One thread calls. */
err_code train_compare(comparison *out, const contender *c, err *e) ERR_CHECKED;

#endif
