/*
 * bench_parts: do the two parts of a score deserve their names (MODEL.md, FSC)?
 *
 * Over pairs of trained items of Amazon Sports, the collaborative part of their inner product must
 * go with how often they are bought together (itemknn) more than with how alike their features are
 * (content kNN), and the multimodal part the other way round. Several ways to share the dimensions
 * out are compared.
 *
 * Usage: bench_parts [FOLDER [KEPT_MODEL of bench_cold]]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/baseline.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/scan.h"
#include "core/train.h"
#include "tests/bench/sports_data.h"

enum { SAMPLE = 400, DIM = 64 };

static const train_options options = {
    .dim = DIM,
    .layers = 3,
    .gamma_forward = 0.2,
    .gamma_backward = 0.2,
    .lr = 3e-3,
    .weight_decay = 0.1,
    .batch = 8192,
    .epochs = 40,
    .eval_every = 20,
    .seed = 1,
    .threads = 2,
    .select_metric = TRAIN_NDCG,
    .select_at = 20,
};

typedef struct sums {
    double n, x, y, xx, yy, xy;
} sums;

static void add(sums *s, double x, double y)
{
    s->n += 1;
    s->x += x;
    s->y += y;
    s->xx += x * x;
    s->yy += y * y;
    s->xy += x * y;
}

static double correlation(const sums *s)
{
    double cov = s->xy / s->n - s->x / s->n * (s->y / s->n);
    double vx = s->xx / s->n - s->x / s->n * (s->x / s->n);
    double vy = s->yy / s->n - s->y / s->n * (s->y / s->n);
    return vx > 0 && vy > 0 ? cov / sqrt(vx * vy) : 0;
}

typedef struct world {
    const model *m;
    const baseline *together;
    float *unit[SPORTS_MODALITIES];
    size_t widths[SPORTS_MODALITIES];
    uint32_t sample[SAMPLE];
} world;

static double content_likeness(const world *w, uint32_t a, uint32_t b)
{
    double sum = 0;
    for (size_t m = 0; m < SPORTS_MODALITIES; m++) {
        size_t width = w->widths[m];
        sum += (m == 0 ? 5 : 1) *
               (double)scan_dot(w->unit[m] + a * width, w->unit[m] + b * width, width);
    }
    return sum / 6;
}

/* compare prints the four correlations of one way to share the dimensions out. */
static void compare(const world *w, const char *name, const float *share)
{
    sums c_knn = {0}, c_content = {0}, m_knn = {0}, m_content = {0};
    for (size_t s = 0; s < SAMPLE; s++) {
        uint32_t a = w->sample[s];
        for (uint32_t b = 0; b < w->m->items; b++) {
            if (b == a) {
                continue;
            }
            double c = 0, m = 0;
            for (size_t j = 0; j < DIM; j++) {
                double product =
                    (double)w->m->item_h[a * DIM + j] * (double)w->m->item_h[b * DIM + j];
                m += (double)share[j] * product;
                c += (1 - (double)share[j]) * product;
            }
            double knn = (double)baseline_similarity(w->together, a, b);
            double content = content_likeness(w, a, b);
            add(&c_knn, c, knn);
            add(&c_content, c, content);
            add(&m_knn, m, knn);
            add(&m_content, m, content);
        }
    }
    printf("%-28s C: itemknn %.4f content %.4f   M: itemknn %.4f content %.4f\n", name,
           correlation(&c_knn), correlation(&c_content), correlation(&m_knn),
           correlation(&m_content));
    fflush(stdout);
}

/* by_dimension prints how each eighth of the dimensions goes with either. */
static void by_dimension(const world *w)
{
    for (size_t first = 0; first < DIM; first += 8) {
        float share[DIM] = {0};
        char name[32];
        for (size_t j = first; j < first + 8; j++) {
            share[j] = 1;
        }
        snprintf(name, sizeof name, "dimensions %zu..%zu are M", first, first + 7);
        compare(w, name, share);
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
    rng r;
    rng_init(&r, 7, 0);
    uint32_t *order = mem_array(data.items, sizeof *order);
    bool *hidden = mem_array(data.items, sizeof *hidden);
    size_t count = 0, row = 0;
    while (count < data.items / 10) {
        uint32_t i = rng_below(&r, (uint32_t)data.items);
        count += !hidden[i];
        hidden[i] = true;
    }
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < data.items; i++) {
            if (hidden[i] == (side == 1)) {
                order[i] = (uint32_t)row++;
            }
        }
    }
    size_t warm = data.items - count;
    if (sports_data_renumber(&data, order, &e) != ERR_OK) {
        return 1;
    }
    model *m = model_recall(argc > 2 ? argv[2] : NULL, &options, data.users, warm, &data);
    if (m == NULL) {
        printf("NOT RUN: bench_parts needs the model that bench_cold keeps\n");
        return 0;
    }
    dataset *d = NULL;
    baseline *together = NULL;
    if (dataset_new(&d, data.users, warm, &e) != ERR_OK) {
        return 1;
    }
    d->train = mem_array(data.edge_count, sizeof *d->train);
    for (size_t i = 0; i < data.edge_count; i++) {
        if (data.edges[i].split == 0 && data.edges[i].item < warm) {
            d->train[d->train_count++] = (pair){data.edges[i].user, data.edges[i].item, 1};
        }
    }
    if (baseline_itemknn_new(&together, d, 2, &e) != ERR_OK) {
        return 1;
    }
    world w = {.m = m, .together = together};
    for (size_t n = 0; n < SPORTS_MODALITIES; n++) {
        size_t width = w.widths[n] = data.widths[n];
        w.unit[n] = mem_table(warm * width, sizeof(float));
        for (size_t i = 0; i < warm; i++) {
            const float *x = data.features[n] + i * width;
            float norm = sqrtf(scan_dot(x, x, width));
            for (size_t j = 0; j < width; j++) {
                w.unit[n][i * width + j] = norm > 0 ? x[j] / norm : 0;
            }
        }
    }
    for (size_t s = 0; s < SAMPLE; s++) {
        w.sample[s] = rng_below(&r, (uint32_t)warm);
    }
    float share[DIM];
    compare(&w, "w (as in MODEL.md)", m->w);
    for (size_t j = 0; j < DIM; j++) {
        share[j] = (float)j / (DIM - 1);
    }
    compare(&w, "ramp j/(d-1)", share);
    for (size_t j = 0; j < DIM; j++) {
        share[j] = (m->w[j] - m->w[0]) / (m->w[DIM - 1] - m->w[0]);
    }
    compare(&w, "w stretched to 0..1", share);
    for (size_t j = 0; j < DIM; j++) {
        share[j] = j >= DIM / 4;
    }
    compare(&w, "first quarter C", share);
    by_dimension(&w);
    return 0;
}
