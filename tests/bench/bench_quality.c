/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_quality: trains once on a folder of real data and prints the numbers that a published table
 * would show.
 *
 * Usage: bench_quality [DIR NEIGHBOURS [key=value ...]]. The keys are those of `stair train`.
 * Without arguments it trains ten epochs of the data set tiktok if that is present. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/train/eval/baseline.h"
#include "core/train/loop/train.h"
#include "tests/bench/real_data.h"

static double seconds(void *ctx)
{
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void progress(void *ctx, const train_progress *p)
{
    uint32_t *shown = ctx;
    if (p->phase != TRAIN_EVALUATING || p->epoch == *shown) {
        return;
    }
    *shown = p->epoch;
    fprintf(stderr, "epoch %u loss %.4f best %u ndcg %.5f %.1f s\n", p->epoch, p->loss,
            p->best_epoch, p->valid != NULL ? eval_metric(p->valid, TRAIN_NDCG, 20) : 0,
            p->seconds);
}

static void set(train_options *o, const char *key, const char *value)
{
    const double number = strtod(value, NULL);
    const struct {
        const char *key;
        double *real;
        uint32_t *count;
    } keys[] = {{"gamma-forward", &o->gamma_forward, NULL},
                {"gamma-backward", &o->gamma_backward, NULL},
                {"lr", &o->lr, NULL},
                {"weight-decay", &o->weight_decay, NULL},
                {"epochs", NULL, &o->epochs},
                {"batch", NULL, &o->batch},
                {"layers", NULL, &o->layers},
                {"dim", NULL, &o->dim},
                {"eval-every", NULL, &o->eval_every},
                {"patience", NULL, &o->patience}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].key, key) == 0) {
            if (keys[i].real != NULL) {
                *keys[i].real = number;
            } else {
                *keys[i].count = (uint32_t)number;
            }
            return;
        }
    }
    if (strcmp(key, "gamma") == 0) {
        o->gamma_forward = o->gamma_backward = number;
    } else if (strcmp(key, "seed") == 0) {
        o->seed = (uint64_t)number;
    } else if (strcmp(key, "threads") == 0) {
        o->threads = (int)number;
    } else if (strcmp(key, "without") == 0) {
        o->without_mi = strcmp(value, "mi") == 0;
        o->without_fsc = strcmp(value, "fsc") == 0;
        o->without_bsc = strcmp(value, "bsc") == 0;
    } else {
        fprintf(stderr, "unknown key %s\n", key);
        exit(2);
    }
}

static void show(const char *name, const eval_metrics *m)
{
    printf("%-10s users %zu", name, m->users);
    for (size_t i = 0; i < m->at_count; i++) {
        printf("  R@%u %.5f N@%u %.5f", m->at[i], m->recall[i], m->at[i], m->ndcg[i]);
    }
    printf("\n");
}

static void show_baselines(const dataset *d, int threads)
{
    err e = ERR_INIT;
    eval_options o = EVAL_OPTIONS_INIT;
    baseline *popular = NULL, *itemknn = NULL;
    eval_metrics m;
    if (baseline_popular_new(&popular, d, &e) == ERR_OK) {
        eval_lister lists = baseline_lister(popular);
        if (eval_run(&m, d, &o, &lists, &e) == ERR_OK) {
            show("popular", &m);
        }
    }
    if (baseline_itemknn_new(&itemknn, d, threads, &e) == ERR_OK) {
        eval_lister lists = baseline_lister(itemknn);
        if (eval_run(&m, d, &o, &lists, &e) == ERR_OK) {
            show("itemknn", &m);
        }
    }
    baseline_free(popular);
    baseline_free(itemknn);
}

int main(int argc, char **argv)
{
    train_options o = TRAIN_OPTIONS_INIT;
    dataset *d = NULL;
    const char *dir = argc > 2 ? argv[1] : "../shared/data/tiktok";
    if (!real_data_load(&d, dir, argc > 2 ? argv[2] : "image=5,audio=1")) {
        printf("NOT RUN: bench_quality: no data in %s\n", dir);
        return 0;
    }
    o.epochs = argc > 2 ? o.epochs : 10;
    o.threads = 2;
    for (int i = 3; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL) {
            return 2;
        }
        *equals = '\0';
        set(&o, argv[i], equals + 1);
    }
    uint32_t shown = 0;
    train_hooks h = {.seconds = seconds, .progress = progress, .ctx = &shown};
    model *m = NULL;
    err e = ERR_INIT;
    show_baselines(d, o.threads);
    if (train_run(&m, d, &o, &h, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.text);
        dataset_free(d);
        return 1;
    }
    printf("epochs %u best %u, %.1f s, %.4f s an epoch\n", m->epochs, m->best_epoch, m->seconds,
           m->seconds_per_epoch);
    show("valid", &m->valid);
    show("test", &m->test);
    model_free(m);
    dataset_free(d);
    return 0;
}
