/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/golden.h"

/* cmocka needs these first. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"

static json_t *find(const json_t *root, const char *path)
{
    char copy[128];
    snprintf(copy, sizeof copy, "%s", path);
    json_t *at = (json_t *)(uintptr_t)root;
    for (char *part = strtok(copy, "/"); part != NULL && at != NULL; part = strtok(NULL, "/")) {
        at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10))
                               : json_object_get(at, part);
    }
    if (at == NULL) {
        fail_msg("golden file has no %s", path);
    }
    return at;
}

static size_t leaves(const json_t *j)
{
    if (!json_is_array(j)) {
        return 1;
    }
    size_t sum = 0;
    for (size_t i = 0; i < json_array_size(j); i++) {
        sum += leaves(json_array_get(j, i));
    }
    return sum;
}

static double *flatten(const json_t *j, double *to)
{
    if (!json_is_array(j)) {
        *to = json_is_null(j) ? (double)NAN : json_number_value(j);
        return to + 1;
    }
    for (size_t i = 0; i < json_array_size(j); i++) {
        to = flatten(json_array_get(j, i), to);
    }
    return to;
}

golden_table golden_get(const golden *g, const char *path)
{
    const json_t *j = find(g->root, path);
    golden_table t = {.count = leaves(j), .rows = json_array_size(j)};
    t.cols = t.rows > 0 ? t.count / t.rows : 0;
    t.x = mem_array(t.count, sizeof *t.x);
    assert_non_null(t.x);
    flatten(j, t.x);
    return t;
}

double golden_number(const golden *g, const char *path)
{
    return json_number_value(find(g->root, path));
}

void golden_compare(const golden *g, const char *path, const float *got, size_t count,
                    double tolerance)
{
    golden_table t = golden_get(g, path);
    assert_int_equal(t.count, count);
    double largest = 0, worst = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(t.x[i]));
        if (isnan(t.x[i]) != isnan((double)got[i])) {
            fail_msg("%s[%zu]: %g, expected %g", path, i, (double)got[i], t.x[i]);
        }
        worst = fmax(worst, isnan(t.x[i]) ? 0 : fabs(t.x[i] - (double)got[i]));
    }
    mem_free(t.x);
    if (!(worst <= tolerance * largest)) {
        fail_msg("%s: off by %g of %g, allowed %g", path, worst, largest, tolerance * largest);
    }
}

static pair *read_pairs(const golden *g, const char *path, size_t *count)
{
    golden_table t = golden_get(g, path);
    pair *pairs = mem_array(t.rows, sizeof *pairs);
    assert_non_null(pairs);
    for (size_t k = 0; k < t.rows; k++) {
        pairs[k] = (pair){(uint32_t)t.x[2 * k], (uint32_t)t.x[2 * k + 1], 1, 0};
    }
    *count = pairs_sort(pairs, t.rows);
    assert_int_equal(*count, t.rows);
    mem_free(t.x);
    return pairs;
}

/* read_features reads a modality's features. A missing row is null in the file, so the width is
 * taken from the other rows. */
static void read_features(golden *g, size_t m)
{
    char path[32];
    snprintf(path, sizeof path, "features/%zu", m);
    const json_t *rows = find(g->root, path);
    feature_table *t = &g->features[m];
    t->rows = json_array_size(rows);
    for (size_t r = 0; r < t->rows; r++) {
        size_t width = json_array_size(json_array_get(rows, r));
        t->width = width > t->width ? width : t->width;
    }
    float *x = mem_array(t->rows * t->width, sizeof *x);
    assert_non_null(x);
    for (size_t r = 0; r < t->rows; r++) {
        const json_t *row = json_array_get(rows, r);
        for (size_t j = 0; j < t->width; j++) {
            const json_t *number = json_array_get(row, j);
            x[r * t->width + j] = json_is_number(number) ? (float)json_number_value(number) : NAN;
        }
    }
    t->x = x;
}

golden *golden_load(const char *name)
{
    const char *root = getenv("STAIR_ROOT");
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/%s.json", root != NULL ? root : ".", name);
    golden *g = mem_array(1, sizeof *g);
    assert_non_null(g);
    json_error_t error;
    g->root = json_load_file(path, 0, &error);
    if (g->root == NULL) {
        fail_msg("%s: %s (run from the repository's root)", path, error.text);
    }
    g->dim = (size_t)golden_number(g, "dim");
    g->layers = (size_t)golden_number(g, "layers");
    g->gamma = golden_number(g, "gamma");
    g->lr = golden_number(g, "learning_rate");
    g->weight_decay = golden_number(g, "weight_decay");
    g->users = json_array_size(find(g->root, "user_init"));
    g->items = json_array_size(find(g->root, "item_init"));
    err e = ERR_INIT;
    assert_int_equal(dataset_new(&g->data, g->users, g->items, &e), ERR_OK);
    g->data->train = read_pairs(g, "train", &g->data->train_count);
    g->data->test = read_pairs(g, "test", &g->data->test_count);
    g->data->modalities = mem_array(GOLDEN_MODALITIES, sizeof(feature_source));
    assert_non_null(g->data->modalities);
    g->data->modality_count = GOLDEN_MODALITIES;
    for (size_t m = 0; m < GOLDEN_MODALITIES; m++) {
        char at[32];
        snprintf(at, sizeof at, "neighbors/%zu", m);
        g->neighbours[m] = (uint32_t)golden_number(g, at);
        read_features(g, m);
        g->data->modalities[m] =
            feature_source_table(m == 0 ? "text" : "image", &g->features[m], g->neighbours[m]);
    }
    return g;
}

void golden_free(golden *g)
{
    for (size_t m = 0; m < GOLDEN_MODALITIES; m++) {
        mem_free((void *)(uintptr_t)g->features[m].x);
    }
    dataset_free(g->data);
    json_decref(g->root);
    mem_free(g);
}
