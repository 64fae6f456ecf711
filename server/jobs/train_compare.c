/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_compare.h"

#include <stdio.h>
#include <string.h>

#include "core/train/eval/scorer.h"
#include "server/runtime/generation_refit.h"
#include "storage/models/model_store.h"

/* A copy of the tables of E grown to the data's rows: later items start at nothing, later users as
 * the mean of their items. */
static err_code grow(model **out, const model *m, const dataset *d, err *e)
{
    err_code code = model_new(out, &m->options, d->users, d->items, 0, e);
    if (code != ERR_OK) {
        return code;
    }
    model *x = *out;
    memcpy(x->w, m->w, m->dim * sizeof *m->w);
    memcpy(x->f, m->f, m->dim * sizeof *m->f);
    size_t users = m->users < d->users ? m->users : d->users;
    size_t items = m->items < d->items ? m->items : d->items;
    memcpy(x->user_e, m->user_e, users * m->dim * sizeof *m->user_e);
    memcpy(x->item_e, m->item_e, items * m->dim * sizeof *m->item_e);
    for (size_t k = 0; k < d->train_count;) {
        size_t first = k, user = d->train[k].user;
        for (; k < d->train_count && d->train[k].user == user; k++) {
            for (size_t j = 0; user >= users && j < m->dim; j++) {
                x->user_e[user * m->dim + j] += x->item_e[d->train[k].item * m->dim + j];
            }
        }
        for (size_t j = 0; user >= users && j < m->dim; j++) {
            x->user_e[user * m->dim + j] /= (float)(k - first);
        }
    }
    return model_finish(x, d->train, d->train_count, e);
}

/* The metric of the contender's options on the validation split, for any model of the data's rows.
 */
static err_code measure(const contender *c, const model *m, double *value, err *e)
{
    const train_options *o = &c->m->options;
    scorer s = {0};
    eval_metrics found = {0};
    err_code code = scorer_init_model(&s, m, c->d, o->threads, e);
    if (code == ERR_OK) {
        eval_lister lists = scorer_lister(&s);
        eval_options eo = EVAL_OPTIONS_INIT;
        eo.on = EVAL_VALID;
        eo.protocol = o->protocol;
        eo.at[0] = o->select_at;
        eo.at_count = 1;
        code = eval_run(&found, c->d, &eo, &lists, e);
    }
    scorer_fini(&s);
    *value = eval_metric(&found, o->select_metric, o->select_at);
    return code;
}

static err_code measure_both(comparison *out, const contender *c, uint32_t number, err *e)
{
    const train_options *o = &c->m->options;
    model *active = NULL, *grown = NULL;
    err_code code = model_get(c->s, number, true, &active, e);
    if (code == ERR_OK) {
        code = grow(&grown, active, c->d, e);
    }
    if (code == ERR_OK) {
        code = measure(c, grown, &out->active, e);
    }
    out->mine = eval_metric(&c->m->valid, o->select_metric, o->select_at);
    if (code == ERR_OK && !eval_measured(&c->m->valid, o->select_at)) {
        code = measure(c, c->m, &out->mine, e);
    }
    out->compared = code == ERR_OK;
    model_free(grown);
    model_free(active);
    return code;
}

/* By what each found of itself before its refit. */
static err_code look_up_both(comparison *out, const contender *c, uint32_t number, err *e)
{
    const train_options *o = &c->m->options;
    const char *metric = o->select_metric == TRAIN_RECALL ? "Recall" : "NDCG";
    model *active = NULL;
    err_code code = model_describe(c->s, number, &active, e);
    if (code != ERR_OK) {
        return code;
    }
    if (!eval_measured(&c->m->valid, o->select_at)) {
        snprintf(out->why, sizeof out->why,
                 "this training measured no validation %s@%u to compare with generation %u's",
                 metric, o->select_at, number);
    } else if (!eval_measured(&active->valid, o->select_at)) {
        snprintf(out->why, sizeof out->why,
                 "generation %u, the active one, has no validation %s@%u to compare with", number,
                 metric, o->select_at);
    } else if (active->options.protocol != o->protocol) {
        snprintf(out->why, sizeof out->why,
                 "generation %u, the active one, was validated by protocol %s, this one by %s",
                 number, eval_protocol_name(active->options.protocol),
                 eval_protocol_name(o->protocol));
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
        snprintf(out->why, sizeof out->why, "generation %u, the active one, cannot be compared: %s",
                 now.generation, why.text);
    } else if (out->compared) {
        out->takes_over = out->mine >= TAKE_OVER_SHARE * out->active;
        if (!out->takes_over) {
            snprintf(out->why, sizeof out->why, "less than %g of generation %u's, the active one",
                     TAKE_OVER_SHARE, now.generation);
        }
    }
    return ERR_OK;
}
