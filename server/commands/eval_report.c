/* SPDX-License-Identifier: Apache-2.0 */
#include "server/commands/eval_report.h"

#include <jansson.h>
#include <stdio.h>

#include "server/cli/result.h"
#include "server/jobs/train_report.h"
#include "server/runtime/model_json.h"

/* tell_verdict compares the model with the baselines by NDCG at the longest list. */
static void tell_verdict(const eval_report *r)
{
    char what[64], metric[TRAIN_METRIC_TEXT];
    uint32_t at = r->options.at[r->options.at_count - 1];
    snprintf(what, sizeof what, "generation %u", r->generation);
    train_metric_text(metric, TRAIN_NDCG, at);
    baseline_verdict v = baselines_judge(&r->beside, &r->stair, TRAIN_NDCG, at);
    baselines_advise(result_stream(r->json), &v,
                     &(baseline_advice){.what = what, .metric = metric});
}

/* The words of the report: what was evaluated, and how. */
typedef struct wording {
    const char *protocol, *mask, *on;
} wording;

static wording wording_of(const eval_report *r)
{
    const char *on = r->on_valid ? "valid" : "test";
    if (r->given > 0) {
        return (wording){"given", "train+given", "valid+test"};
    }
    if (r->next) {
        return (wording){"next", "history", on};
    }
    eval_protocol protocol = r->options.protocol;
    return (wording){eval_protocol_name(protocol), eval_protocol_mask(protocol, r->options.on), on};
}

static void tell_lines(const eval_report *r, const wording *w)
{
    FILE *to = result_stream(r->json);
    fprintf(to, "generation %u on %s: %zu users (%zu dropped), protocol %s, masked: %s\n",
            r->generation, w->on, r->stair.users, r->stair.dropped, w->protocol, w->mask);
    report_judged(to, &r->stair);
    if (r->refit && (r->on_valid || r->given > 0)) {
        fprintf(to,
                "warning: generation %u is a refit: it was trained on the validation interactions, "
                "so these figures do not show its quality\n",
                r->generation);
    }
    report_line(to, r->given > 0 ? "session" : "stair", &r->stair);
    if (r->given == 1) {
        report_line(to, "similar", &r->similar);
    }
    for (int kind = 0; kind < BASELINES; kind++) {
        if (r->wanted[kind]) {
            report_line(to, baseline_name((baseline_kind)kind), &r->beside.of[kind]);
        }
    }
    tell_verdict(r);
}

err_code eval_report_tell(const eval_report *r, err *e)
{
    wording w = wording_of(r);
    tell_lines(r, &w);
    if (!r->json) {
        return ERR_OK;
    }
    json_t *out =
        json_pack("{s:I, s:s, s:b, s:s, s:s, s:I, s:I, s:o}", "generation",
                  (json_int_t)r->generation, "on", w.on, "trained_on_valid", r->refit, "protocol",
                  w.protocol, "mask", w.mask, "users", (json_int_t)r->stair.users, "users_dropped",
                  (json_int_t)r->stair.dropped, "stair", model_metrics_json(&r->stair));
    if (r->given > 0) {
        json_object_set_new(out, "given", json_integer(r->given));
    }
    if (r->given == 1) {
        json_object_set_new(out, "similar", model_metrics_json(&r->similar));
    }
    for (int kind = 0; kind < BASELINES; kind++) {
        if (r->wanted[kind]) {
            json_object_set_new(out, baseline_name((baseline_kind)kind),
                                model_metrics_json(&r->beside.of[kind]));
        }
    }
    report_judged_json(out, &r->stair);
    err_code code = result_json(out, JSON_REAL_PRECISION(9), "the report", e);
    json_decref(out);
    return code;
}
