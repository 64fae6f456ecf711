/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/train_measure.h"

#include <string.h>

#include "core/model/fsc.h"
#include "core/model/user_rows.h"
#include "core/train/eval/scorer.h"

eval_options train_metrics(const train_options *o, eval_on on)
{
    eval_options v = EVAL_OPTIONS_INIT;
    v.on = on;
    v.protocol = o->protocol;
    size_t at = 0;
    while (at < v.at_count && v.at[at] < o->select_at) {
        at++;
    }
    if (at == v.at_count || v.at[at] != o->select_at) {
        memmove(v.at + at + 1, v.at + at, (v.at_count - at) * sizeof v.at[0]);
        v.at[at] = o->select_at;
        v.at_count++;
    }
    return v;
}

err_code train_measure(model *m, const dataset *d, eval_on on, bool linked, err *e)
{
    eval_metrics *out = on == EVAL_TEST ? &m->test : &m->valid;
    if ((on == EVAL_TEST ? d->test_count : d->valid_count) == 0) {
        return ERR_OK;
    }
    scorer s;
    int threads = m->options.threads;
    err_code code =
        linked ? scorer_init_linked(&s, m, d, threads, e) : scorer_init_model(&s, m, d, threads, e);
    if (code == ERR_OK) {
        eval_options o = train_metrics(&m->options, on);
        eval_lister lists = scorer_lister(&s);
        code = eval_run(out, d, &o, &lists, e);
    }
    scorer_fini(&s);
    return code;
}

/* current_h fills x->h with H of users and items, as a service would compute it. */
static err_code current_h(const train_tables *x, err *e)
{
    size_t users = x->d->users, items = x->d->items, dim = x->o->dim;
    fsc op = {x->a, x->w, x->f, dim, x->o->layers, x->o->threads};
    const float *last = fsc_forward(&op, x->embeddings, x->h, x->scratch);
    float *g = x->scratch + users * dim;
    fsc_g(&op, last == NULL ? NULL : last + users * dim, items, g);
    user_tables u = {.users = users,
                     .items = items,
                     .dim = dim,
                     .w = x->w,
                     .user_e = x->embeddings,
                     .item_e = x->embeddings + users * dim,
                     .item_g = g,
                     .pairs = x->d->train,
                     .pair_count = x->d->train_count,
                     .threads = x->o->threads};
    return user_rows(&u, x->h, e);
}

err_code train_validate(eval_metrics *m, const train_tables *x, const train_hooks *hooks, err *e)
{
    scorer s = {.user_h = x->h, .item_h = x->h + x->d->users * x->o->dim, .dim = x->o->dim};
    err_code code = current_h(x, e);
    if (code == ERR_OK) {
        code = scorer_init(&s, x->d, x->o->threads, e);
    }
    if (code == ERR_OK) {
        eval_lister lists = scorer_lister(&s);
        eval_options o = train_metrics(x->o, EVAL_VALID);
        o.cancelled = hooks->cancelled;
        o.cancelled_ctx = hooks->ctx;
        code = eval_run(m, x->d, &o, &lists, e);
    }
    scorer_fini(&s);
    return code;
}
