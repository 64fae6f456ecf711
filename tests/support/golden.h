/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden: loads the reference numbers of tests/golden/ into plain tables.
 *
 * They come from an independent float64 program and contain every intermediate result of the method
 * for tiny inputs. Paths are relative to the repository's root, where the test runner starts;
 * STAIR_ROOT overrides it.
 */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/dataset.h"

enum { GOLDEN_MODALITIES = 2, GOLDEN_STEPS = 5 };

/* Numbers of any depth, flattened row-major; null is NaN. */
typedef struct golden_table {
    size_t count;
    size_t rows, cols; /* the outer two lengths; cols 1 for a flat list */
    double *x;
} golden_table;

typedef struct golden {
    json_t *root;
    size_t dim, layers, users, items;
    double gamma, lr, weight_decay;
    uint32_t neighbours[GOLDEN_MODALITIES];
    feature_table features[GOLDEN_MODALITIES]; /* float, missing rows NaN */
    dataset *data;                             /* train and test; modalities borrow `features` */
} golden;

/* golden_load fails the running test if the file cannot be read. Free with golden_free. */
golden *golden_load(const char *name);
void golden_free(golden *g);

/* golden_get returns the table at a path such as "steps/0/grad_user". Free x with mem_free. */
golden_table golden_get(const golden *g, const char *path);
double golden_number(const golden *g, const char *path);

/* golden_compare fails the test unless max|got - table| / max|table| <= tolerance. */
void golden_compare(const golden *g, const char *path, const float *got, size_t count,
                    double tolerance);

#endif
