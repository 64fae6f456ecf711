/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baselines: measures simple recommenders on the same interactions as a model, and reports if one
 * is better.
 *
 * One thread calls.
 */
#ifndef SERVER_BASELINES_H
#define SERVER_BASELINES_H

#include <stdbool.h>
#include <stdio.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"

typedef enum baseline_kind {
    BASELINE_POPULAR = 0,
    BASELINE_ITEMKNN,
    BASELINE_CONTENT,         /* ranks items by the similarity of their features */
    BASELINE_ITEMKNN_CONTENT, /* the sum of both, each divided by its spread */
    BASELINE_EASE,            /* needs a catalogue of at most EASE_ITEMS_MAX items */
    BASELINES,
} baseline_kind;

/* baseline_name returns the name used by --baselines and in JSON. baselines_parse reads a list of
 * names into `wanted`. It returns the first unknown part, absent if all are known. */
const char *baseline_name(baseline_kind kind);
slice baselines_parse(const char *text, bool wanted[BASELINES]);

typedef struct baseline_figures {
    bool measured[BASELINES];
    eval_metrics of[BASELINES];
} baseline_figures;

typedef struct baselines_ask {
    const dataset *d;
    const eval_options *options;
    bool wanted[BASELINES];
    int threads;
    bool given; /* lists start from the pairs of d->valid (core/train/eval/given.h); not for ease */
} baselines_ask;

/* baselines_run measures the wanted baselines. For EASE, it announces the memory needed on standard
 * error. */
err_code baselines_run(baseline_figures *out, const baselines_ask *ask, err *e) ERR_CHECKED;

/* How a model compares with them by one metric. */
typedef struct baseline_verdict {
    baseline_kind best; /* the best of those ahead of the model; BASELINES if none is */
    double value, own;  /* the metric of `best`, and of the model */
} baseline_verdict;
baseline_verdict baselines_judge(const baseline_figures *f, const eval_metrics *own,
                                 train_metric metric, uint32_t at);

/* baselines_advise prints one sentence if a baseline is better: which one, by how much, what to do.
 * `what` names the model, and `metric` the metric. `last_epoch`: the best epoch was the last one.
 * `tuned`: stair tune chose the options. */
typedef struct baseline_advice {
    const char *what, *metric;
    bool last_epoch, tuned;
} baseline_advice;
void baselines_advise(FILE *to, const baseline_verdict *v, const baseline_advice *a);

#endif
