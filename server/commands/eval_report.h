/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval_report: what stair eval found, as lines for people and as one JSON document.
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
    bool on_valid; /* validation interactions were to be found, not those of the test split */
    bool next;     /* each user's next item was */
    int64_t given; /* > 0: sessions of so many items were judged */
    bool refit;    /* the generation was trained on the validation interactions too */
    bool json;     /* a JSON document is wanted */
    eval_options options;
    bool wanted[BASELINES];
    baseline_figures beside;
    eval_metrics stair;
    eval_metrics similar; /* of given == 1: of the lists of similar items */
} eval_report;

/* eval_report_tell prints the figures, and the verdict against the baselines. ERR_IO, ERR_NOMEM. */
err_code eval_report_tell(const eval_report *r, err *e) ERR_CHECKED;

#endif
