/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval_report: prints the results of stair eval, as lines for people and as one JSON document.
 *
 * The lines go to the result's stream (server/cli/result.h). One thread at a time.
 */
#ifndef SERVER_EVAL_REPORT_H
#define SERVER_EVAL_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/eval.h"
#include "server/jobs/baselines.h"

typedef struct eval_report {
    uint32_t generation;
    bool on_valid; /* evaluated on validation interactions, not on the test split */
    bool next;     /* the target is each user's next item */
    int64_t given; /* > 0: lists start from sessions of this many items */
    bool refit;    /* the generation was also trained on the validation interactions */
    bool json;     /* print a JSON document */
    eval_options options;
    bool wanted[BASELINES];
    baseline_figures beside;
    eval_metrics stair;
    eval_metrics similar; /* with given == 1: metrics of the lists of similar items */
} eval_report;

/* eval_report_tell prints the metrics, and the comparison with the baselines. ERR_IO, ERR_NOMEM. */
err_code eval_report_tell(const eval_report *r, err *e) ERR_CHECKED;

#endif
