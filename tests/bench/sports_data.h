/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sports_data: a data set of ../shared/data in memory, for benches that work below the store.
 */
#ifndef TESTS_BENCH_SPORTS_DATA_H
#define TESTS_BENCH_SPORTS_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/model.h"

enum { SPORTS_MODALITIES_MAX = 4 };

/* One line of interactions.inter: split 0 train, 1 validation, 2 test. */
typedef struct sports_edge {
    uint32_t user, item;
    uint32_t split;
} sports_edge;

typedef struct sports_data {
    size_t users, items, edge_count;
    sports_edge *edges; /* (edge_count) by (user, item) */
    size_t modality_count;
    const char *names[SPORTS_MODALITIES_MAX];
    uint32_t neighbours[SPORTS_MODALITIES_MAX];
    float *features[SPORTS_MODALITIES_MAX]; /* (items, widths[m]) */
    size_t widths[SPORTS_MODALITIES_MAX];
    uint32_t *order; /* (items) the row of the file's item i; NULL: i */
} sports_data;

/* sports_data_sports loads the Amazon Sports set from `folder`. ERR_NOT_FOUND if it is not there.
 */
err_code sports_data_sports(sports_data *out, const char *folder, err *e) ERR_CHECKED;
void sports_data_free(sports_data *d);

/* sports_data_renumber gives item i the row order[i], for sets in which some items come later. */
err_code sports_data_renumber(sports_data *d, const uint32_t *order, err *e) ERR_CHECKED;

/* sports_data_hide moves a tenth of the items, the same ones for the same seed, to the last rows
 * and returns how many rows are before them; 0 if memory runs out. */
enum { SPORTS_TENTH = 7 };
size_t sports_data_hide(sports_data *d, unsigned seed, err *e);

/* model_keep and model_recall write and read a trained model's tables, so that one training serves
 * several runs of a bench; model_recall returns NULL if the file is missing or has other sizes. */
void model_keep(const model *m, const char *path);
model *model_recall(const char *path, const train_options *o, size_t users, size_t items,
                    const sports_data *d);

#endif
