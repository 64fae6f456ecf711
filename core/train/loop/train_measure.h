/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_measure: the metrics that training measures: those at the usual cutoffs, and the one that
 * it selects by.
 *
 * One thread calls; it uses as many threads as the options say.
 */
#ifndef CORE_TRAIN_MEASURE_H
#define CORE_TRAIN_MEASURE_H

#include <stdbool.h>

#include "core/common/err.h"
#include "core/common/sparse.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/model/model.h"
#include "core/train/loop/train.h"

/* train_metrics returns options for the metrics at 1, 10, 20 and o->select_at. */
eval_options train_metrics(const train_options *o, eval_on on);

/* train_measure fills m->test or m->valid from these pairs of `d`, over the graph of its training
 * pairs. `linked` says that the model's links are over that graph already. Without pairs to
 * measure it changes nothing. */
err_code train_measure(model *m, const dataset *d, eval_on on, bool linked, err *e) ERR_CHECKED;

/* The tables of a training between two epochs, and memory for computing H. */
typedef struct train_tables {
    const dataset *d;
    const train_options *o;
    const csr *a;            /* (N, N) graph; N: users and items */
    const float *w, *f;      /* (dim) scale and strength of the forward convolution */
    const float *embeddings; /* (N, dim) */
    float *h, *scratch;      /* (N, dim) overwritten */
} train_tables;

/* train_validate measures the lists of the current H on the validation pairs. Of the hooks it calls
 * `cancelled`. */
err_code train_validate(eval_metrics *m, const train_tables *x, const train_hooks *hooks,
                        err *e) ERR_CHECKED;

#endif
