/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/tune_report.h"

#include "core/model/eval.h"
#include "server/jobs/train_report.h"
#include "server/runtime/model_json.h"

enum { NAMES_BYTES = 1024 };

/* neighbours_text writes "text=5,image=1", or nothing without modalities. */
static void neighbours_text(const tune_setting *s, const dataset *d, char out[NAMES_BYTES])
{
    out[0] = '\0';
    for (size_t m = 0, at = 0; m < d->modality_count && at < NAMES_BYTES; m++) {
        at += (size_t)snprintf(out + at, NAMES_BYTES - at, "%s%s=%u", m > 0 ? "," : "",
                               d->modalities[m].name, s->neighbours[m]);
    }
}

void tune_report_begin(FILE *to, const train_options *o, const char *metric)
{
    fprintf(to, "choosing by validation %s, protocol %s, masked: %s\n", metric,
            eval_protocol_name(o->protocol), eval_protocol_mask(o->protocol, EVAL_VALID));
}

void tune_report_trial(FILE *to, const tune_trial *t, const dataset *d, uint32_t epochs,
                       uint32_t budget)
{
    const train_options *o = &t->setting.options;
    char forward[32], backward[32], metric[TRAIN_METRIC_TEXT], neighbours[NAMES_BYTES];
    snprintf(forward, sizeof forward, o->without_fsc ? "plain" : "%g", o->gamma_forward);
    snprintf(backward, sizeof backward, o->without_bsc ? "none" : "%g", o->gamma_backward);
    neighbours_text(&t->setting, d, neighbours);
    train_metric_text(metric, o->select_metric, o->select_at);
    fprintf(to, "%4u/%u  %-12s  forward %-5s  rate %-7.2g  backward %-4s  decay %-4g  dim %-3u",
            epochs, budget, t->knob, forward, o->lr, backward, o->weight_decay, o->dim);
    fprintf(to, "  layers %u  %s", o->layers, neighbours);
    fprintf(to, "  %u epochs  %s %.4f\n", t->epochs, metric, t->value);
    (void)fflush(to); /* people read each row as soon as it is known */
}

void tune_report_chosen(FILE *to, const tune_setting *s, const train_options *asked,
                        const dataset *d)
{
    const train_options *o = &s->options;
    char neighbours[NAMES_BYTES];
    neighbours_text(s, d, neighbours);
    fprintf(to, "chosen: --gamma-forward ");
    fprintf(to, o->without_fsc ? "plain" : "%g", o->gamma_forward);
    fprintf(to, o->without_bsc ? " --without bsc" : " --gamma-backward %g", o->gamma_backward);
    if (o->lr != asked->lr) {
        fprintf(to, " --lr %g", o->lr);
    }
    if (o->dim != asked->dim) {
        fprintf(to, " --dim %u", o->dim);
    }
    fprintf(to, " --weight-decay %g --layers %u%s%s\n", o->weight_decay, o->layers,
            neighbours[0] != '\0' ? " --neighbours " : "", neighbours);
}

json_t *tune_report_neighbours(const uint32_t *neighbours, const model *m)
{
    json_t *out = json_object();
    for (size_t i = 0; out != NULL && i < m->modality_count; i++) {
        json_object_set_new(out, m->modalities[i].name, json_integer((json_int_t)neighbours[i]));
    }
    return out;
}

json_t *tune_report_trials(const tune_result *r, const model *m)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < r->count; i++) {
        const tune_trial *t = &r->trials[i];
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:I, s:f, s:b}", "knob", t->knob, "options",
                            model_options_json(&t->setting.options), "neighbours",
                            tune_report_neighbours(t->setting.neighbours, m), "epochs",
                            (json_int_t)t->epochs, "value", t->value, "chosen", t->chosen));
    }
    return list;
}
