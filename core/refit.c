/* Two runs: one to find the epoch to stop at, one on everything for that many epochs. */
#include <string.h>

#include "core/mem.h"
#include "core/rng.h"
#include "core/train.h"
#include "core/train_stage.h"
#include "core/train_state.h"

/* A stream of the seed that neither epochs nor initial tables use. */
#define STREAM_HOLDOUT (UINT64_C(1) << 41)
enum { HOLDOUT_LEAST = 3 };

static err_code derived(dataset **out, const dataset *d, err *e)
{
    err_code code = dataset_new(out, d->users, d->items, e);
    if (code != ERR_OK) {
        return code;
    }
    dataset *x = *out;
    size_t words = (d->items + 63) / 64;
    x->modality_count = d->modality_count;
    x->modalities = mem_copy(d->modalities, d->modality_count * sizeof *d->modalities);
    x->gone = d->gone != NULL ? mem_copy(d->gone, words * sizeof *d->gone) : NULL;
    x->test = mem_copy(d->test, d->test_count * sizeof *d->test);
    x->test_count = d->test_count;
    x->train = mem_array(d->train_count + d->valid_count, sizeof *x->train);
    x->valid = mem_array(d->users + d->valid_count, sizeof *x->valid);
    if (x->modalities == NULL || (d->gone != NULL && x->gone == NULL) || x->test == NULL ||
        x->train == NULL || x->valid == NULL) {
        return err_nomem(e, "a dataset");
    }
    return ERR_OK;
}

/* One pair of every user with three or more goes to validation; where there is a validation split
 * already, that is used as it is. */
static void set_aside(dataset *x, const dataset *d, uint64_t seed)
{
    if (d->valid_count > 0) {
        memcpy(x->train, d->train, d->train_count * sizeof *x->train);
        memcpy(x->valid, d->valid, d->valid_count * sizeof *x->valid);
        x->train_count = d->train_count;
        x->valid_count = d->valid_count;
        return;
    }
    rng r;
    rng_init(&r, seed, STREAM_HOLDOUT);
    for (size_t k = 0; k < d->train_count;) {
        size_t first = k;
        while (k < d->train_count && d->train[k].user == d->train[first].user) {
            k++;
        }
        size_t out = SIZE_MAX;
        if (k - first >= HOLDOUT_LEAST) {
            out = first + rng_below(&r, (uint32_t)(k - first));
            x->valid[x->valid_count++] = d->train[out];
        }
        for (size_t i = first; i < k; i++) {
            if (i != out) {
                x->train[x->train_count++] = d->train[i];
            }
        }
    }
}

static void put_together(dataset *x, const dataset *d)
{
    memcpy(x->train, d->train, d->train_count * sizeof *x->train);
    memcpy(x->train + d->train_count, d->valid, d->valid_count * sizeof *x->train);
    x->train_count = pairs_sort(x->train, d->train_count + d->valid_count);
    x->valid_count = 0;
}

static err_code find_epoch(model **first, const dataset *d, const train_options *o,
                           const train_hooks *h, err *e)
{
    dataset *x = NULL;
    err_code code = derived(&x, d, e);
    if (code == ERR_OK) {
        set_aside(x, d, o->seed);
        x->test_count = 0; /* measured on the second run */
        train_job job = {.d = x, .o = o, .h = h};
        code = train_stage_run(first, &job, e);
    }
    dataset_free(x);
    return code;
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
    err_code code = ERR_OK;
    if (h->resume != NULL) {
        code = train_state_peek(&resumed, h->resume, h->resume_bytes, e);
    }
    if (code == ERR_OK && resumed.stage == 0) {
        code = find_epoch(&first, d, o, h, e);
        second_hooks.resume = NULL;
        second.epochs = first != NULL ? first->best_epoch : o->epochs;
    } else {
        second.epochs = resumed.best_epoch;
    }
    if (code == ERR_OK) {
        code = derived(&x, d, e);
    }
    if (code == ERR_OK) {
        put_together(x, d);
        train_job job = {.d = x, .o = &second, .h = &second_hooks, .stage = 1, .first = first};
        code = train_stage_run(out, &job, e);
    }
    if (code == ERR_OK) {
        (*out)->options.epochs = o->epochs;
    }
    model_free(first);
    dataset_free(x);
    return code;
}
