/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_report: prints the results of a training or an evaluation for people.
 * server/runtime/model_json.h writes the same as JSON.
 *
 * Every figure comes with its protocol, what it masks and how many users were dropped, so that
 * readers do not compare figures that mean different things.
 */
#ifndef SERVER_TRAIN_REPORT_H
#define SERVER_TRAIN_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/model/eval.h"
#include "core/model/model.h"

/* report_served prints how the model is served (layers and links) and the gain of choosing them. */
void report_served(FILE *to, const model *m);

/* report_judged prints how many users got nothing personal and which items could not be listed, if
 * there were any. report_judged_json adds the counts to the object `out`. */
void report_judged(FILE *to, const eval_metrics *m);
void report_judged_json(json_t *out, const eval_metrics *m);

/* report_ranks prints how many dimensions each modality's features fill. */
void report_ranks(FILE *to, const model *m);

/* report_line prints one row of a table: name and metrics. */
void report_line(FILE *to, const char *name, const eval_metrics *m);

#endif
