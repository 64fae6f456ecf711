/* SPDX-License-Identifier: Apache-2.0 */
/* refit trains twice: the first run finds the epoch to stop at, the second trains on everything for
 * that many epochs. */
#include "core/common/mem.h"
#include "core/train/loop/holdout.h"
#include "core/train/loop/prepare.h"
#include "core/train/loop/train.h"
#include "core/train/loop/train_stage.h"
#include "core/train/loop/train_state.h"

static err_code find_epoch(model **first, const dataset *d, train_job *job, err *e)
{
    dataset *x = NULL;
    /* without test pairs: the second run measures them */
    err_code code = holdout_new(&x, d, e);
    if (code == ERR_OK) {
        job->d = x;
        code = train_stage_run(first, job, e);
    }
    dataset_free(x);
    return code;
}

/* drop_tables frees the first run's tables, since only its findings are needed. */
static void drop_tables(model *m)
{
    float **tables[] = {&m->user_e, &m->item_e, &m->item_h, &m->item_g};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        mem_free(*tables[i]);
        *tables[i] = NULL;
    }
    for (size_t i = 0; i < m->modality_count; i++) {
        mem_free(m->modalities[i].content);
        m->modalities[i].content = NULL;
    }
}

err_code train_refit(model **out, const dataset *d, const train_options *o, const train_hooks *h,
                     err *e)
{
    *out = NULL;
    train_header resumed = {0};
    train_hooks second_hooks = *h;
    train_options second = *o;
    model *first = NULL;
    dataset *x = NULL;
    prepared passed = {0};
    err_code code = ERR_OK;
    if (h->resume != NULL) {
        code = train_state_check(h->resume, h->resume_bytes, d, o, true, e);
    }
    if (code == ERR_OK && h->resume != NULL) {
        code = train_state_peek(&resumed, h->resume, h->resume_bytes, e);
    }
    bool finds = o->eval_every > 0 || h->resume != NULL; /* if false, all epochs are run */
    if (code == ERR_OK && finds && resumed.stage == 0) {
        train_job job = {.o = o, .h = h, .refit = true, .passed = &passed};
        code = find_epoch(&first, d, &job, e);
        second_hooks.resume = NULL;
        second.epochs = first != NULL ? first->best_epoch : o->epochs;
    } else if (finds) {
        second.epochs = resumed.best_epoch;
    }
    if (first != NULL) {
        drop_tables(first);
    }
    if (code == ERR_OK) {
        code = holdout_together(&x, d, e);
    }
    if (code == ERR_OK) {
        train_job job = {.d = x, .o = &second, .h = &second_hooks, .stage = 1, .first = first};
        job.refit = true;
        job.passed = &passed;
        job.served = d;
        code = train_stage_run(out, &job, e);
    }
    if (code == ERR_OK) {
        (*out)->options.epochs = o->epochs;
    }
    if (code != ERR_OK) {
        model_free(*out);
        *out = NULL;
    }
    prepared_fini(&passed);
    model_free(first);
    dataset_free(x);
    return code;
}
