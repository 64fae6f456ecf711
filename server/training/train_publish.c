#include "server/training/train_publish.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/index.h"
#include "core/train/scorer.h"
#include "server/options/command.h"
#include "server/training/train_report.h"
#include "storage/apply.h"
#include "storage/generations.h"
#include "storage/model_store.h"
#include "storage/op.h"

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

static err_code measure(const publication *p, const model *active, double *value, err *e)
{
    const train_options *o = &p->m->options;
    model *grown = NULL;
    scorer s = {0};
    eval_metrics m = {0};
    err_code code = grow(&grown, active, p->d, e);
    if (code == ERR_OK) {
        code = scorer_init_model(&s, grown, p->d, o->threads, e);
    }
    if (code == ERR_OK) {
        eval_lister lists = scorer_lister(&s);
        eval_options eo = EVAL_OPTIONS_INIT;
        eo.on = EVAL_VALID;
        eo.protocol = o->protocol;
        eo.at[0] = o->select_at;
        eo.at_count = 1;
        code = eval_run(&m, p->d, &eo, &lists, e);
        scorer_fini(&s);
    }
    *value = eval_metric(&m, o->select_metric, o->select_at);
    model_free(grown);
    return code;
}

static bool was_refitted(slice summary)
{
    json_t *j = json_loadb(summary.at, summary.length, 0, NULL);
    bool refit = json_is_true(json_object_get(j, "refit"));
    json_decref(j);
    return refit;
}

static err_code active_refitted(store *s, uint32_t number, bool *refit, err *e)
{
    arena a;
    arena_init(&a, 64 << 20);
    store_read *r = NULL;
    generation_info info = {0};
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_get(r, number, &a, &info, e);
    }
    *refit = code == ERR_OK && was_refitted(info.summary);
    store_read_end(r);
    arena_fini(&a);
    return code;
}

static err_code decide(const publication *p, publication_result *out, err *e)
{
    const train_options *o = &p->m->options;
    store_info now;
    bool refit = false;
    model *active = NULL;
    out->activate = p->wish != ACTIVATE_NO;
    err_code code = store_stat(p->s, &now, e);
    if (code != ERR_OK || p->wish != ACTIVATE_AUTO || now.generation == 0) {
        return code;
    }
    code = active_refitted(p->s, now.generation, &refit, e);
    if (code != ERR_OK) {
        return code;
    }
    refit = refit || p->refit || p->d->valid_count == 0;
    code = refit ? model_describe(p->s, now.generation, &active, e)
                 : model_get(p->s, now.generation, true, &active, e);
    if (code == ERR_OK && refit) {
        out->compared = eval_metric(&active->valid, o->select_metric, o->select_at);
    } else if (code == ERR_OK) {
        code = measure(p, active, &out->compared, e);
    }
    model_free(active);
    double mine = eval_metric(&p->m->valid, o->select_metric, o->select_at);
    out->activate = code == ERR_OK && mine >= ACTIVATE_SHARE * out->compared;
    return code;
}

static err_code cluster(const model *m, void **ann, size_t *bytes, err *e)
{
    if (m->items < INDEX_ANN_ROWS_MIN) {
        return ERR_OK;
    }
    vector_index *ix = NULL;
    index_options o = {.threads = (unsigned)m->options.threads, .seed = m->options.seed};
    err_code code = index_new(&ix, m->item_h, m->items, m->dim, &o, e);
    if (code == ERR_OK) {
        code = index_encode(ix, ann, bytes, e);
    }
    index_free(ix);
    return code;
}

err_code train_publish(const publication *p, publication_result *out, err *e)
{
    *out = (publication_result){0};
    generation_info info = {.created = p->now, .seq = p->origin->seq};
    memcpy(info.lineage, p->origin->lineage, sizeof info.lineage);
    info.users = (uint32_t)p->m->users;
    info.items = (uint32_t)p->m->items;
    void *ann = NULL;
    size_t ann_bytes = 0;
    char *text = NULL;
    err_code code = decide(p, out, e);
    if (code == ERR_OK) {
        code = cluster(p->m, &ann, &ann_bytes, e);
    }
    if (code == ERR_OK) {
        code = generation_begin(p->s, &info, &out->generation, e);
    }
    if (code == ERR_OK) {
        code = model_put(p->s, out->generation, p->m, ann, ann_bytes, e);
    }
    if (code == ERR_OK) {
        json_t *summary = report_summary(p->m, p->refit);
        text = json_dumps(summary, JSON_COMPACT | JSON_REAL_PRECISION(9));
        json_decref(summary);
        code = text == NULL ? err_nomem(e, "the generation's summary") : ERR_OK;
    }
    if (code == ERR_OK) {
        slice summary = {text, strlen(text)};
        code = generation_finish(p->s, out->generation, summary, out->activate, e);
    }
    free(text); /* json_dumps' own */
    mem_free(ann);
    return code;
}

err_code train_activate(const char *dir, uint32_t generation, bool *done, err *e)
{
    *done = false;
    store_options so = {.mode = STORE_OWNER, .now = clock_now()};
    store *s = NULL;
    err busy = ERR_INIT;
    err_code code = store_open(&s, dir, &so, &busy);
    if (code == ERR_CONFLICT) {
        return ERR_OK;
    }
    if (code != ERR_OK) {
        return err_set(e, code, "%s", busy.text);
    }
    op *o = NULL;
    apply_result result;
    apply_result_init(&result);
    code = op_new(&o, OP_GENERATION_ACTIVATE, 4096, e);
    if (code == ERR_OK) {
        o->generation = generation;
        o->count = 1;
        o->time = clock_now();
        const op *one = o;
        code = apply_group(s, &one, 1, &result, e);
    }
    if (code == ERR_OK && result.code != ERR_OK) {
        code = err_set(e, result.code, "%s", result.detail);
    }
    *done = code == ERR_OK;
    apply_result_fini(&result);
    op_free(o);
    store_close(s);
    return code;
}
