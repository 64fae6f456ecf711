/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/baselines.h"

#include <string.h>

#include "core/train/eval/baseline.h"
#include "core/train/eval/ease.h"

static const char *const names[BASELINES] = {
    [BASELINE_POPULAR] = "popular", [BASELINE_ITEMKNN] = "itemknn",
    [BASELINE_CONTENT] = "content", [BASELINE_ITEMKNN_CONTENT] = "itemknn+content",
    [BASELINE_EASE] = "ease",
};

const char *baseline_name(baseline_kind kind)
{
    return names[kind];
}

slice baselines_parse(const char *text, bool wanted[BASELINES])
{
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        int kind = 0;
        while (kind < BASELINES &&
               (strlen(names[kind]) != length || memcmp(names[kind], text, length) != 0)) {
            kind++;
        }
        if (kind == BASELINES) {
            return (slice){text, length};
        }
        wanted[kind] = true;
        text += text[length] == ',' ? length + 1 : length;
    }
    return (slice){NULL, 0};
}

static err_code run_ease(eval_metrics *out, const dataset *d, const eval_options *o, int threads,
                         err *e)
{
    ease *x = NULL;
    fprintf(stderr, "ease: its weights take %.0f MiB\n", (double)ease_bytes(d) / (1 << 20));
    err_code code = ease_new(&x, d, threads, e);
    if (code == ERR_OK) {
        eval_lister lists = ease_lister(x);
        code = eval_run(out, d, o, &lists, e);
    }
    ease_free(x);
    return code;
}

static err_code make(baseline **out, baseline_kind kind, const dataset *d, int threads, err *e)
{
    switch (kind) {
    case BASELINE_POPULAR: return baseline_popular_new(out, d, e);
    case BASELINE_CONTENT: return baseline_linked_new(out, d, false, threads, e);
    case BASELINE_ITEMKNN_CONTENT: return baseline_linked_new(out, d, true, threads, e);
    default: return baseline_itemknn_new(out, d, threads, e);
    }
}

static err_code run_one(eval_metrics *out, baseline_kind kind, const baselines_ask *ask, err *e)
{
    baseline *b = NULL;
    const dataset *d = ask->d;
    if (kind == BASELINE_EASE) {
        return run_ease(out, d, ask->options, ask->threads, e);
    }
    err_code code = make(&b, kind, d, ask->threads, e);
    if (code == ERR_OK && ask->given) {
        code = baseline_ask(b, d->valid, d->valid_count, e);
    }
    if (code == ERR_OK) {
        eval_lister lists = baseline_lister(b);
        code = eval_run(out, d, ask->options, &lists, e);
    }
    baseline_free(b);
    return code;
}

err_code baselines_run(baseline_figures *out, const baselines_ask *ask, err *e)
{
    err_code code = ERR_OK;
    *out = (baseline_figures){0};
    for (int kind = 0; code == ERR_OK && kind < BASELINES; kind++) {
        out->measured[kind] = ask->wanted[kind];
        if (ask->wanted[kind]) {
            code = run_one(&out->of[kind], (baseline_kind)kind, ask, e);
        }
    }
    return code;
}

baseline_verdict baselines_judge(const baseline_figures *f, const eval_metrics *own,
                                 train_metric metric, uint32_t at)
{
    baseline_verdict v = {.best = BASELINES, .own = eval_metric(own, metric, at)};
    v.value = v.own;
    for (int kind = 0; kind < BASELINES; kind++) {
        double value = f->measured[kind] ? eval_metric(&f->of[kind], metric, at) : 0;
        if (value > v.value) {
            v.best = (baseline_kind)kind;
            v.value = value;
        }
    }
    return v;
}

void baselines_advise(FILE *to, const baseline_verdict *v, const baseline_advice *a)
{
    if (v->best == BASELINES) {
        return;
    }
    const char *advice = "stair tune looks for better options";
    if (a->last_epoch) {
        advice = "its best epoch was the last one, so train longer (--epochs)";
    } else if (a->tuned) {
        advice = "tuning did not change that, so check the features, or collect more interactions "
                 "before you serve a model";
    }
    fprintf(to, "%s is ahead of %s by %s, %.4f to %.4f: %s\n", names[v->best], a->what, a->metric,
            v->value, v->own, advice);
}
