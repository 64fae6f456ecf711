/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_parts: tests whether each of the two parts of a score measures what its name says.
 *
 * For users of Amazon Sports and all items that they do not own, it correlates each part with two
 * other scores: that of itemknn (cosines of co-purchases) and that of content kNN (cosines of
 * features to the mean of the user's items). The collaborative part must correlate more with
 * itemknn, the multimodal part more with content kNN. For comparison it judges the split by the
 * paper's weights of FSC, which was rejected. Figures are means over users.
 *
 * Usage: bench_parts FOLDER KEPT_MODEL, where KEPT_MODEL is the model that bench_cold kept. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/scan.h"
#include "core/serve/state/parts.h"
#include "core/train/loop/train.h"
#include "tests/bench/sports_data.h"

enum { USERS = 150, DIM = 64 };

static const train_options options = {
    .dim = DIM, .layers = 3, .gamma_forward = 0.2, .gamma_backward = 0.2, .threads = 1};

typedef struct world {
    const model *m;
    dataset *d;
    size_t *user_start, *item_start;
    uint32_t *item_user;
    float *unit[SPORTS_MODALITIES_MAX];
    size_t widths[SPORTS_MODALITIES_MAX];
} world;

/* correlation returns the correlation of x and y over the items for which `skip` is false. */
static double correlation(const double *x, const double *y, const bool *skip, size_t count)
{
    double n = 0, sx = 0, sy = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < count; i++) {
        double keep = skip[i] ? 0 : 1;
        n += keep;
        sx += keep * x[i];
        sy += keep * y[i];
        xx += keep * x[i] * x[i];
        yy += keep * y[i] * y[i];
        xy += keep * x[i] * y[i];
    }
    double vx = xx / n - sx / n * (sx / n), vy = yy / n - sy / n * (sy / n);
    return vx > 0 && vy > 0 ? (xy / n - sx / n * (sy / n)) / sqrt(vx * vy) : 0;
}

static size_t degree(const size_t *start, size_t row)
{
    return start[row + 1] - start[row];
}

static void itemknn(const world *w, uint32_t user, double *out)
{
    memset(out, 0, w->m->items * sizeof *out);
    for (size_t p = w->user_start[user]; p < w->user_start[user + 1]; p++) {
        uint32_t own = w->d->train[p].item;
        for (size_t k = w->item_start[own]; k < w->item_start[own + 1]; k++) {
            uint32_t other = w->item_user[k];
            for (size_t q = w->user_start[other]; q < w->user_start[other + 1]; q++) {
                uint32_t item = w->d->train[q].item;
                double both = (double)degree(w->item_start, own);
                out[item] += 1 / sqrt(both * (double)degree(w->item_start, item));
            }
        }
    }
}

static void content_knn(const world *w, uint32_t user, double *out)
{
    float mean[1024];
    memset(out, 0, w->m->items * sizeof *out);
    for (size_t m = 0; m < w->d->modality_count; m++) {
        size_t width = w->widths[m];
        memset(mean, 0, width * sizeof *mean);
        for (size_t p = w->user_start[user]; p < w->user_start[user + 1]; p++) {
            for (size_t j = 0; j < width; j++) {
                mean[j] += w->unit[m][w->d->train[p].item * width + j];
            }
        }
        double norm = sqrt((double)scan_dot(mean, mean, width));
        for (size_t i = 0; i < w->m->items && norm > 0; i++) {
            out[i] +=
                (m == 0 ? 5 : 1) / norm * (double)scan_dot(mean, w->unit[m] + i * width, width);
        }
    }
}

static void user_row(const world *w, uint32_t user, float *h)
{
    uint32_t items[4096];
    float a[4096];
    size_t count = 0, own = degree(w->user_start, user);
    for (size_t p = w->user_start[user]; p < w->user_start[user + 1] && count < 4096; p++) {
        items[count] = w->d->train[p].item;
        a[count] = 1 / sqrtf((float)own * (float)degree(w->item_start, items[count]));
        count++;
    }
    model_user_vector(w->m, w->m->user_e + user * DIM, items, a, count, h);
}

/* judge prints the four correlations of one split. It returns true if each part follows its name.
 */
static bool judge(const world *w, const char *name, const parts *split)
{
    size_t items = w->m->items, asked = 0;
    double sum[4] = {0}, *rows = mem_array(4 * items, sizeof *rows);
    double *c = rows, *m = rows + items, *knn = m + items, *content = knn + items;
    bool *skip = mem_array(items, sizeof *skip);
    for (uint32_t user = 0; user < w->m->users && asked < USERS; user += 97) {
        float h[DIM], multimodal[DIM];
        if (degree(w->user_start, user) == 0) {
            continue;
        }
        asked++;
        user_row(w, user, h);
        parts_multimodal(split, h, multimodal);
        memset(skip, 0, items * sizeof *skip);
        for (size_t p = w->user_start[user]; p < w->user_start[user + 1]; p++) {
            skip[w->d->train[p].item] = true;
        }
        for (size_t i = 0; i < items; i++) {
            m[i] = (double)scan_dot(multimodal, w->m->item_h + i * DIM, DIM);
            c[i] = (double)scan_dot(h, w->m->item_h + i * DIM, DIM) - m[i];
        }
        itemknn(w, user, knn);
        content_knn(w, user, content);
        sum[0] += correlation(c, knn, skip, items);
        sum[1] += correlation(c, content, skip, items);
        sum[2] += correlation(m, knn, skip, items);
        sum[3] += correlation(m, content, skip, items);
    }
    for (int i = 0; i < 4; i++) {
        sum[i] /= (double)asked;
    }
    printf("%-24s C: itemknn %.4f content %.4f   M: itemknn %.4f content %.4f\n", name, sum[0],
           sum[1], sum[2], sum[3]);
    mem_free(rows);
    mem_free(skip);
    return sum[0] > sum[1] && sum[3] > sum[2];
}

static void fill_graph(world *w, const sports_data *data)
{
    size_t items = w->m->items;
    w->d->train = mem_array(data->edge_count, sizeof *w->d->train);
    for (size_t i = 0; i < data->edge_count; i++) {
        if (data->edges[i].split == 0 && data->edges[i].item < items) {
            w->d->train[w->d->train_count++] =
                (pair){data->edges[i].user, data->edges[i].item, 1, 0};
        }
    }
    w->user_start = mem_array(w->m->users + 1, sizeof *w->user_start);
    w->item_start = mem_array(items + 2, sizeof *w->item_start);
    w->item_user = mem_array(w->d->train_count, sizeof *w->item_user);
    pairs_starts(w->d->train, w->d->train_count, w->m->users, w->user_start);
    for (size_t p = 0; p < w->d->train_count; p++) {
        w->item_start[w->d->train[p].item + 2]++;
    }
    for (size_t i = 2; i < items + 2; i++) {
        w->item_start[i] += w->item_start[i - 1];
    }
    for (size_t p = 0; p < w->d->train_count; p++) {
        w->item_user[w->item_start[w->d->train[p].item + 1]++] = w->d->train[p].user;
    }
}

static void fill_units(world *w, const sports_data *data)
{
    for (size_t n = 0; n < data->modality_count; n++) {
        size_t width = w->widths[n] = data->widths[n];
        w->unit[n] = mem_table(w->m->items * width, sizeof(float));
        for (size_t i = 0; i < w->m->items; i++) {
            const float *x = data->features[n] + i * width;
            float norm = sqrtf(scan_dot(x, x, width));
            for (size_t j = 0; j < width; j++) {
                w->unit[n][i * width + j] = norm > 0 ? x[j] / norm : 0;
            }
        }
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "../shared/data/sports";
    sports_data data;
    err e = ERR_INIT;
    if (sports_data_sports(&data, folder, &e) != ERR_OK) {
        printf("NOT RUN: bench_parts needs %s (%s)\n", folder, e.text);
        return 0;
    }
    size_t warm = sports_data_hide(&data, SPORTS_TENTH, &e);
    model *m = model_recall(argc > 2 ? argv[2] : NULL, &options, data.users, warm, &data);
    if (warm == 0 || m == NULL) {
        printf("NOT RUN: bench_parts needs the model that bench_cold keeps\n");
        return 0;
    }
    world w = {.m = m};
    parts *split = NULL;
    if (dataset_new(&w.d, data.users, warm, &e) != ERR_OK ||
        parts_new(&split, m, m->item_h, &e) != ERR_OK) {
        fprintf(stderr, "bench_parts: %s\n", e.text);
        return 1;
    }
    fill_graph(&w, &data);
    fill_units(&w, &data);
    bool earned = judge(&w, "by what content predicts", split);
    memset(split->into, 0, (size_t)DIM * DIM * sizeof *split->into);
    for (size_t j = 0; j < DIM; j++) {
        split->into[j * DIM + j] = m->w[j];
    }
    (void)judge(&w, "by the weights of FSC", split);
    printf("{\"names_earned\": %s}\n", earned ? "true" : "false");
    return earned ? 0 : 1;
}
