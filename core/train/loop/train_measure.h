/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_measure: the metrics that a training measures: the usual cutoffs, and the one that it
 * selects by.
 *
 * One thread calls; it uses as many threads as the options say.
 */
#ifndef CORE_TRAIN_MEASURE_H
#define CORE_TRAIN_MEASURE_H

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/model/model.h"

/* train_metrics asks for the metrics at 1, 10, 20 and o->select_at. */
eval_options train_metrics(const train_options *o, eval_on on);

/* train_measure fills m->test by the test pairs of `d`, over the graph of its training pairs; zero
 * where there are none. */
err_code train_measure(model *m, const dataset *d, err *e) ERR_CHECKED;

#endif
