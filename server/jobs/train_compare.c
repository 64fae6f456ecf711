/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_compare.h"

#include <stdio.h>
#include <string.h>

#include "core/train/eval/scorer.h"
#include "server/jobs/judge.h"
#include "server/runtime/generation_refit.h"
#include "storage/models/model_store.h"

/* asked returns options for the contender's metric on the validation split. */
static eval_options asked(const contender *c)
{
    eval_options o = EVAL_OPTIONS_INIT;
    o.on = EVAL_VALID;
    o.protocol = c->m->options.protocol;
    o.at[0] = c->m->options.select_at;
    o.at_count = 1;
    return o;
}

/* measure_active measures the active generation with the service's own lists: some items and users
 * may be newer than it, and the service can place those. */
static err_code measure_active(const contender *c, uint32_t number, double *value, err *e)
{
    const train_options *o = &c->m->options;
    judge_options jo = {.s = c->s, .d = c->d, .generation = number, .threads = o->threads};
    judge *j = NULL;
    eval_metrics found = {0};
    err_code code = judge_new(&j, &jo, e);
    if (code == ERR_OK) {
        eval_lister lists = judge_lister(j);
        eval_options eo = asked(c);
        code = eval_run(&found, c->d, &eo, &lists, e);
    }
    judge_free(j);
    *value = eval_metric(&found, o->select_metric, o->select_at);
    return code;
}

/* measure_mine returns the contender's figure. It was measured during training by the same rules,
 * unless the training was told to measure nothing. */
static err_code measure_mine(const contender *c, double *value, err *e)
{
    const train_options *o = &c->m->options;
    eval_metrics found = c->m->valid;
    err_code code = ERR_OK;
    if (!eval_measured(&found, o->select_at)) {
        scorer s = {0};
        code = scorer_init_model(&s, c->m, c->d, o->threads, e);
        if (code == ERR_OK) {
            eval_lister lists = scorer_lister(&s);
            eval_options eo = asked(c);
            code = eval_run(&found, c->d, &eo, &lists, e);
        }
        scorer_fini(&s);
    }
    *value = eval_metric(&found, o->select_metric, o->select_at);
    return code;
}

static err_code measure_both(comparison *out, const contender *c, uint32_t number, err *e)
{
    err_code code = measure_active(c, number, &out->active, e);
    if (code == ERR_OK) {
        code = measure_mine(c, &out->mine, e);
    }
    out->compared = code == ERR_OK;
    return code;
}

/* look_up_both compares the figures that each model recorded before its refit. */
static err_code look_up_both(comparison *out, const contender *c, uint32_t number, err *e)
{
    const train_options *o = &c->m->options;
    char metric[TRAIN_METRIC_TEXT];
    train_metric_text(metric, o->select_metric, o->select_at);
    model *active = NULL;
    err_code code = model_describe(c->s, number, &active, e);
    if (code != ERR_OK) {
        return code;
    }
    if (!eval_measured(&c->m->valid, o->select_at)) {
        snprintf(out->why, sizeof out->why,
                 "this training measured no validation %s to compare with generation %u's", metric,
                 number);
    } else if (!eval_measured(&active->valid, o->select_at)) {
        snprintf(out->why, sizeof out->why,
                 "the active generation %u has no validation %s to compare with", number, metric);
    } else if (active->options.protocol != o->protocol) {
        snprintf(out->why, sizeof out->why,
                 "the active generation %u was validated by protocol %s, this one by %s", number,
                 eval_protocol_name(active->options.protocol), eval_protocol_name(o->protocol));
    } else {
        out->compared = true;
        out->mine = eval_metric(&c->m->valid, o->select_metric, o->select_at);
        out->active = eval_metric(&active->valid, o->select_metric, o->select_at);
    }
    model_free(active);
    return ERR_OK;
}

static err_code put_beside(comparison *out, const contender *c, uint32_t number, err *e)
{
    bool refit = false;
    err_code code = generation_read_refitted(c->s, number, &refit, e);
    if (code != ERR_OK) {
        return code;
    }
    bool seen = refit || c->refit || c->d->valid_count == 0;
    return seen ? look_up_both(out, c, number, e) : measure_both(out, c, number, e);
}

err_code train_compare(comparison *out, const contender *c, err *e)
{
    *out = (comparison){0};
    store_info now;
    err why = ERR_INIT;
    err_code code = store_stat(c->s, &now, e);
    if (code != ERR_OK) {
        return code;
    }
    code = now.generation > 0 ? put_beside(out, c, now.generation, &why) : ERR_NOT_FOUND;
    if (code == ERR_NOT_FOUND) {
        out->takes_over = true;
    } else if (code != ERR_OK) {
        snprintf(out->why, sizeof out->why, "the active generation %u cannot be compared: %s",
                 now.generation, why.text);
    } else if (out->compared) {
        out->takes_over = out->mine >= TAKE_OVER_SHARE * out->active;
        if (!out->takes_over) {
            snprintf(out->why, sizeof out->why, "less than %g of that of the active generation %u",
                     TAKE_OVER_SHARE, now.generation);
        }
    }
    return ERR_OK;
}
