/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/train_measure.h"

#include <string.h>

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

err_code train_measure(model *m, const dataset *d, eval_on on, err *e)
{
    eval_metrics *out = on == EVAL_TEST ? &m->test : &m->valid;
    if ((on == EVAL_TEST ? d->test_count : d->valid_count) == 0) {
        return ERR_OK;
    }
    scorer s;
    err_code code = scorer_init_model(&s, m, d, m->options.threads, e);
    if (code == ERR_OK) {
        eval_options o = train_metrics(&m->options, on);
        eval_lister lists = scorer_lister(&s);
        code = eval_run(out, d, &o, &lists, e);
    }
    scorer_fini(&s);
    return code;
}
