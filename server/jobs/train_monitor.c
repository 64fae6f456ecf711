/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_monitor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/cli/command.h"
#include "server/telemetry/clock.h"
#include "storage/models/checkpoint_file.h"

static double seconds(void *ctx)
{
    (void)ctx;
    return clock_seconds();
}

void train_monitor_tell(const train_monitor *w, const char *fmt, ...)
{
    char line[256];
    va_list args;
    if (w->progress_fd < 0) {
        return;
    }
    va_start(args, fmt);
    int length = vsnprintf(line, sizeof line - 1, fmt, args);
    va_end(args);
    size_t count = length < 0                         ? 0
                   : (size_t)length < sizeof line - 1 ? (size_t)length
                                                      : sizeof line - 2;
    line[count++] = '\n';
    /* A missing reader is no reason to stop. */
    ssize_t written = write(w->progress_fd, line, count);
    (void)written;
}

static void tell_epoch(train_monitor *w, const train_progress *p)
{
    char value[64] = "", left[32] = "";
    if (p->valid != NULL) {
        snprintf(value, sizeof value, " metric=%s value=%.6f", w->metric,
                 eval_metric(p->valid, w->select_metric, w->select_at));
    }
    if (p->epoch > w->first_epoch && p->seconds > w->first_seconds) {
        double rate = (p->seconds - w->first_seconds) / (p->epoch - w->first_epoch);
        snprintf(left, sizeof left, " left=%.1f", rate * (p->epochs - p->epoch));
    }
    train_monitor_tell(w, "epoch=%u epochs=%u loss=%.6f%s%s", p->epoch, p->epochs, p->loss, value,
                       left);
}

static void show(train_monitor *w, const train_progress *p)
{
    char note[128];
    int at = snprintf(note, sizeof note, "loss %.4f", p->loss);
    if (p->valid != NULL) {
        snprintf(note + at, sizeof note - (size_t)at, "  best %s %.4f (epoch %u)", w->metric,
                 eval_metric(p->valid, w->select_metric, w->select_at), p->best_epoch);
    }
    progress_update(&w->bar, p->epoch, note, p->phase == TRAIN_EVALUATING && p->best_epoch == 0);
}

static void on_progress(void *ctx, const train_progress *p)
{
    train_monitor *w = ctx;
    if (p->phase == TRAIN_PREPARING) {
        if (!w->quiet && p->what != NULL) {
            fprintf(stderr, "preparing %s\n", p->what);
        }
        train_monitor_tell(w, "epoch=0 epochs=%u", p->epochs);
        return;
    }
    if (w->running && p->epochs != w->total) { /* the second run of a refit begins */
        train_monitor_end(w);
    }
    if (!w->running) {
        w->running = true;
        w->total = p->epochs;
        w->epoch = w->first_epoch = p->epoch;
        w->first_seconds = p->seconds;
        progress_start(&w->bar, "training", "epochs", p->epochs, w->quiet);
    }
    show(w, p);
    if (p->epoch != w->epoch || p->best_epoch != w->best_epoch) {
        w->epoch = p->epoch;
        w->best_epoch = p->best_epoch;
        tell_epoch(w, p);
    }
}

static err_code save(void *ctx, const void *bytes, size_t count, err *e)
{
    train_monitor *w = ctx;
    slice image = {bytes, count};
    err_code code = checkpoint_file_put(w->s, w->seq, image, e);
    w->saved = w->saved || code == ERR_OK;
    return code;
}

void train_monitor_init(train_monitor *w, const train_options *o)
{
    train_metric_text(w->metric, o->select_metric, o->select_at);
    w->select_metric = o->select_metric;
    w->select_at = o->select_at;
    w->running = w->saved = false;
    w->epoch = w->best_epoch = 0;
}

train_hooks train_monitor_hooks(train_monitor *w)
{
    return (train_hooks){.seconds = seconds,
                         .progress = on_progress,
                         .cancelled = interrupt_requested,
                         .save = w->s != NULL ? save : NULL,
                         .ctx = w};
}

void train_monitor_end(train_monitor *w)
{
    if (w->running) {
        progress_finish(&w->bar, NULL);
        w->running = false;
    }
}
