/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tune_report: prints the trials of a tuning and its choice, as lines on standard error and as
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

/* tune_report_begin prints the metric that decides ("NDCG@20"). tune_report_trial prints the result
 * of one trial, after which `epochs` of the `budget` are used. */
void tune_report_begin(FILE *to, const train_options *o, const char *metric);
void tune_report_trial(FILE *to, const tune_trial *t, const dataset *d, uint32_t epochs,
                       uint32_t budget);
void tune_report_chosen(FILE *to, const tune_setting *s, const train_options *asked,
                        const dataset *d);

/* tune_report_trials lists all trials; `m` was trained with the best one. tune_report_neighbours
 * makes {"text": 5, "image": 1} from the modalities of `m`. They return new references, or NULL if
 * memory runs out. */
json_t *tune_report_trials(const tune_result *r, const model *m);
json_t *tune_report_neighbours(const uint32_t *neighbours, const model *m);

#endif
