/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_monitor: the hooks by which a training reports progress, is cancelled, and saves
 * checkpoints.
 *
 * The bar goes to standard error. One line per epoch goes to --progress-fd, which a server that
 * started the training reads: "epoch=3 epochs=500 loss=0.31 metric=NDCG@20 value=0.0346 left=12.5",
 * without unknown fields, and "generation=4" at the end.
 */
#ifndef SERVER_TRAIN_MONITOR_H
#define SERVER_TRAIN_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/train/loop/train.h"
#include "server/jobs/progress.h"
#include "storage/env/store.h"

typedef struct train_monitor {
    /* Set by the caller. */
    store *s;        /* for checkpoints; NULL saves none */
    uint64_t seq;    /* the store's seq when the training's data was read */
    int progress_fd; /* descriptor for --progress-fd; -1: none */
    bool quiet;
    char metric[TRAIN_METRIC_TEXT]; /* "NDCG@20" */
    train_metric select_metric;
    uint32_t select_at;
    /* Private. */
    progress bar;
    uint32_t total, epoch, best_epoch;
    double first_seconds; /* training time at the first progress report of this run */
    uint32_t first_epoch;
    bool running, saved;
} train_monitor;

/* train_monitor_init fills the other members from the options. train_monitor_hooks borrows `w`. */
void train_monitor_init(train_monitor *w, const train_options *o);
train_hooks train_monitor_hooks(train_monitor *w);

/* train_monitor_end ends the bar; train_monitor_tell writes one line to the progress descriptor. */
void train_monitor_end(train_monitor *w);
void train_monitor_tell(const train_monitor *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
