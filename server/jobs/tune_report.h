/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tune_report: prints what a tuning tried and what it chose, as lines on standard error and as
 * JSON.
 *
 * The choice is printed as options of `stair train`, so that it can be repeated, continued and put
 * into a configuration. One thread calls.
 */
#ifndef SERVER_TUNE_REPORT_H
#define SERVER_TUNE_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "core/model/dataset.h"
#include "core/model/model.h"
#include "core/train/loop/tune.h"

/* tune_report_begin says by which figure is chosen, tune_report_trial what one trial came to, of
 * `budget` epochs `epochs` are spent by then. `metric`: "NDCG@20". */
void tune_report_begin(FILE *to, const train_options *o, const char *metric);
void tune_report_trial(FILE *to, const tune_trial *t, const dataset *d, uint32_t epochs,
                       uint32_t budget);
void tune_report_chosen(FILE *to, const tune_setting *s, const train_options *asked,
                        const dataset *d);

/* tune_report_trials lists all trials; `m` is what was trained by the best. tune_report_neighbours
 * gives
 * {"text": 5, "image": 1} by the modalities of `m`. New references, NULL without memory. */
json_t *tune_report_trials(const tune_result *r, const model *m);
json_t *tune_report_neighbours(const uint32_t *neighbours, const model *m);

#endif
