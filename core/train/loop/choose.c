/* SPDX-License-Identifier: Apache-2.0 */
/* choose sets the way of serving, and links with known parameters. choose_grid.c searches for the
 * parameters. */
#include "core/train/loop/choose.h"

#include <string.h>

#include "core/common/mem.h"
#include "core/model/links_build.h"
#include "core/train/eval/scorer.h"
#include "core/train/loop/choose_grid.h"
#include "core/train/loop/train_measure.h"

static double chosen_by(const model *m, const eval_metrics *x)
{
    return eval_metric(x, m->options.select_metric, m->options.select_at);
}

/* validate measures the model in its present state. Its links are over the training pairs of `d`.
 */
static err_code validate(eval_metrics *out, const model *m, const dataset *d, err *e)
{
    scorer s;
    err_code code = scorer_init_linked(&s, m, d, m->options.threads, e);
    if (code == ERR_OK) {
        eval_options o = train_metrics(&m->options, EVAL_VALID);
        eval_lister lists = scorer_lister(&s);
        code = eval_run(out, d, &o, &lists, e);
    }
    scorer_fini(&s);
    return code;
}

/* differs tells whether a way of serving computes something else than the trained one. If not, it
 * need not be tried. */
static bool differs(const model *m, model_serving way)
{
    bool plain = m->options.without_fsc;
    return m->options.layers > 0 && !(way == SERVE_PLAIN && plain) &&
           !(way == SERVE_PLAIN_TWO && m->options.layers <= 2);
}

err_code choose_serving(model *m, const dataset *d, err *e)
{
    eval_metrics best = m->valid, now;
    double as_trained = chosen_by(m, &best);
    double least = as_trained * CHOOSE_SERVING_GAIN_MIN;
    model_serving way = SERVE_AS_TRAINED;
    err_code code = ERR_OK;
    for (int x = SERVE_PLAIN; code == ERR_OK && x < SERVE_WAYS; x++) {
        if (!differs(m, (model_serving)x)) {
            continue;
        }
        model_serve(m, (model_serving)x);
        code = validate(&now, m, d, e);
        if (code == ERR_OK && chosen_by(m, &now) >= least &&
            chosen_by(m, &now) > chosen_by(m, &best)) {
            best = now;
            way = (model_serving)x;
        }
    }
    model_serve(m, way);
    m->valid = best;
    m->serving_gain = as_trained > 0 ? chosen_by(m, &best) / as_trained : 1;
    return code;
}

/* with_content makes links that include the content links if the choice uses them. */
static err_code with_content(item_links **out, const prepared *p, const links_choice *choice,
                             size_t items, err *e)
{
    err_code code = links_new(out, items, e);
    if (code != ERR_OK) {
        return code;
    }
    (*out)->choice = *choice;
    if (p->content.start == NULL || !(choice->beta[LINKS_CONTENT] > 0)) {
        return ERR_OK;
    }
    item_links borrowed = {.items = items, .choice = *choice};
    borrowed.source[LINKS_COLLABORATIVE] = (*out)->source[LINKS_COLLABORATIVE];
    borrowed.source[LINKS_CONTENT] = p->content;
    item_links *made = NULL;
    code = links_copy(&made, &borrowed, items, e);
    links_free(*out);
    *out = made;
    return code;
}

err_code choose_again(model *m, const dataset *d, const prepared *p, const links_choice *choice,
                      err *e)
{
    item_links *content = NULL;
    links_free(m->links);
    m->links = NULL;
    if (!(choice->beta[LINKS_COLLABORATIVE] > 0) && !(choice->beta[LINKS_CONTENT] > 0)) {
        return ERR_OK;
    }
    err_code code = with_content(&content, p, choice, m->items, e);
    if (code == ERR_OK) {
        interaction_list list = {d->train, d->train_count, d->users, d->items};
        code = links_rebuilt(&m->links, content, &list, m->options.threads, e);
    }
    links_free(content);
    return code;
}

/* set_links gives the model the chosen links, whose collaborative table it moves out of
 * *collaborative. */
static err_code set_links(model *m, const prepared *p, const links_choice *choice,
                          links_table *collaborative, err *e)
{
    links_free(m->links);
    m->links = NULL;
    if (!(choice->beta[LINKS_COLLABORATIVE] > 0) && !(choice->beta[LINKS_CONTENT] > 0)) {
        return ERR_OK;
    }
    err_code code = with_content(&m->links, p, choice, m->items, e);
    if (code == ERR_OK && choice->beta[LINKS_COLLABORATIVE] > 0) {
        links_table_fini(&m->links->source[LINKS_COLLABORATIVE]);
        m->links->source[LINKS_COLLABORATIVE] = *collaborative;
        *collaborative = (links_table){0};
    }
    return code;
}

err_code choose_links(model *m, const dataset *d, const prepared *p, err *e)
{
    links_choice choice;
    links_table collaborative = {0};
    eval_metrics alone = m->valid;
    m->links_gain = 1;
    err_code code = choose_grid(&choice, &collaborative, m, d, p, e);
    if (code == ERR_OK) {
        code = set_links(m, p, &choice, &collaborative, e);
    }
    links_table_fini(&collaborative);
    if (code != ERR_OK || m->links == NULL) {
        return code;
    }
    code = validate(&m->valid, m, d, e);
    double before = chosen_by(m, &alone), after = chosen_by(m, &m->valid);
    if (code == ERR_OK && after >= before * CHOOSE_LINKS_GAIN_MIN) {
        m->links_gain = before > 0 ? after / before : 1;
        return ERR_OK;
    }
    links_free(m->links);
    m->links = NULL;
    m->valid = alone;
    return code;
}
