/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/curve_plot.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { WIDTH = 720, HEIGHT = 520, LEFT = 70, RIGHT = 20, TICKS = 5 };

typedef struct panel {
    double top, bottom; /* y coordinates of its edges */
    double low, high;   /* values at these edges; the high one is at the top */
    double epochs;      /* value at the right edge */
} panel;

typedef double (*reading)(const model_point *p);

static double recall_of(const model_point *p)
{
    return (double)p->recall;
}

static double ndcg_of(const model_point *p)
{
    return (double)p->ndcg;
}

static double loss_of(const model_point *p)
{
    return (double)p->loss;
}

static double x_of(const panel *p, double epoch)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * epoch / p->epochs;
}

static double y_of(const panel *p, double value)
{
    return p->bottom - (p->bottom - p->top) * (value - p->low) / (p->high - p->low);
}

/* round_up returns the least of 1, 2, 5 times a power of ten that is not below `value`. */
static double round_up(double value)
{
    double power = pow(10, floor(log10(value > 0 ? value : 1)));
    double digit = value / power;
    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

static void axes(FILE *f, const panel *p, const char *title)
{
    for (int i = 0; i <= TICKS; i++) {
        double value = p->low + (p->high - p->low) * i / TICKS, y = y_of(p, value);
        fprintf(f,
                "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f' stroke='#ddd'/>"
                "<text x='%d' y='%.1f' text-anchor='end'>%.3g</text>\n",
                LEFT, y, WIDTH - RIGHT, y, LEFT - 8, y + 4, value);
        double epoch = p->epochs * i / TICKS;
        fprintf(f, "<text x='%.1f' y='%.1f' text-anchor='middle'>%.0f</text>\n", x_of(p, epoch),
                p->bottom + 16, epoch);
    }
    fprintf(f, "<text x='%d' y='%.1f' font-weight='bold'>%s</text>\n", LEFT, p->top - 8, title);
}

static void line(FILE *f, const panel *p, const model *m, reading read, const char *colour)
{
    fprintf(f, "<polyline fill='none' stroke='%s' stroke-width='2' points='", colour);
    for (size_t i = 0; i < m->curve_count; i++) {
        fprintf(f, "%.1f,%.1f ", x_of(p, m->curve[i].epoch), y_of(p, read(&m->curve[i])));
    }
    fprintf(f, "'/>\n");
}

static double largest(const model *m, reading read)
{
    double most = 0;
    for (size_t i = 0; i < m->curve_count; i++) {
        most = fmax(most, read(&m->curve[i]));
    }
    return most;
}

static void draw(FILE *f, uint32_t generation, const model *m)
{
    double epochs = m->curve[m->curve_count - 1].epoch;
    panel metrics = {70, 300, 0, round_up(fmax(largest(m, recall_of), largest(m, ndcg_of))),
                     epochs};
    panel loss = {360, 480, 0, round_up(largest(m, loss_of)), epochs};
    char title[128], recall[TRAIN_METRIC_TEXT], ndcg[TRAIN_METRIC_TEXT];
    train_metric_text(recall, TRAIN_RECALL, m->options.select_at);
    train_metric_text(ndcg, TRAIN_NDCG, m->options.select_at);
    fprintf(f,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' "
            "font-family='sans-serif' font-size='12'>\n<rect width='100%%' height='100%%' "
            "fill='white'/>\n<text x='%d' y='28' font-size='16'>generation %u: %u epochs, best "
            "%u</text>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, generation, m->epochs, m->best_epoch);
    snprintf(title, sizeof title, "validation %s (blue), %s (orange)", recall, ndcg);
    axes(f, &metrics, title);
    line(f, &metrics, m, recall_of, "#1f77b4");
    line(f, &metrics, m, ndcg_of, "#ff7f0e");
    fprintf(f,
            "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='#888' "
            "stroke-dasharray='4 3'/>\n",
            x_of(&metrics, m->best_epoch), metrics.top, x_of(&metrics, m->best_epoch),
            metrics.bottom);
    axes(f, &loss, "training loss");
    line(f, &loss, m, loss_of, "#2ca02c");
    fprintf(f, "<text x='%d' y='%d' text-anchor='middle'>epoch</text>\n</svg>\n",
            LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 8);
}

err_code curve_plot_write(const char *path, uint32_t generation, const model *m, err *e)
{
    if (m->curve_count == 0) {
        return err_set(e, ERR_NOT_FOUND, "generation %u has no learning curve", generation);
    }
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        return err_set(e, ERR_IO, "%s: cannot be written: %m", path);
    }
    draw(f, generation, m);
    bool failed = ferror(f) != 0;
    failed = fclose(f) != 0 || failed;
    return failed ? err_set(e, ERR_IO, "%s: writing failed: %m", path) : ERR_OK;
}
