/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_options: all options of training, with the published defaults.
 *
 * Plain data, so that options can be stored with the model and compared. gamma is split in two: the
 * forward strength (how much the graph mixes into early dimensions) and the backward strength (how
 * far updates spread over the item graph). The paper sets both to the same number.
 */
#ifndef CORE_TRAIN_OPTIONS_H
#define CORE_TRAIN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

enum {
    TRAIN_DIM_MAX = 1024,
    TRAIN_LAYERS_MAX = 16,
    TRAIN_BATCH_MAX = 1 << 20,
    TRAIN_NEIGHBOURS_MAX = 256,
    TRAIN_THREADS_MAX = 256,
    TRAIN_EPOCHS_MAX = 1000000,
    TRAIN_GAMMA_MAX = 100,
    TRAIN_LR_MAX = 10,
    TRAIN_WEIGHT_DECAY_MAX = 100,
};

typedef enum train_metric { TRAIN_RECALL = 0, TRAIN_NDCG } train_metric;

/* train_metric_text writes the name of a metric at K, such as "NDCG@20", as the command line and
 * all outputs use it. */
enum { TRAIN_METRIC_TEXT = 32 };
void train_metric_text(char out[TRAIN_METRIC_TEXT], train_metric metric, uint32_t at);

/* The range of batch sizes that train_options_fit chooses from. */
enum { TRAIN_BATCH_LEAST = 1024, TRAIN_BATCH_MOST = 8192, TRAIN_STEPS_WANTED = 32 };
/* The learning rate for each TRAIN_BATCH_LEAST of the batch: for a small batch and for a large
 * one. */
#define TRAIN_LR_OF_SMALL 1.5e-3
#define TRAIN_LR_OF_LARGE 2.5e-3
/* The least rate for items without features. All such items start alike, and with a smaller rate,
 * training learns nothing but popularity for hundreds of epochs. */
#define TRAIN_LR_BARE_MIN 1e-2

/* A validation metric has improved if it is at least this factor of its value at the last
 * improvement. Smaller gains can continue for hundreds of epochs without any effect on the test
 * metric. */
#define TRAIN_GAIN_MIN 1.01

/* Which users count and which items are masked; see core/model/eval.h. */
typedef enum eval_protocol { PROTOCOL_STAIR = 0, PROTOCOL_MMREC } eval_protocol;

typedef struct train_options {
    uint32_t dim;          /* 1 .. TRAIN_DIM_MAX */
    uint32_t layers;       /* 0 .. TRAIN_LAYERS_MAX */
    double gamma_forward;  /* >= 0; FSC */
    double gamma_backward; /* >= 0; BSC */
    double lr, weight_decay;
    uint32_t batch, epochs;
    uint32_t patience;   /* evaluations without improvement before stopping; 0 never stops */
    uint32_t eval_every; /* in epochs; 0 never evaluates and keeps the last epoch */
    uint64_t seed;
    int threads; /* 1 .. TRAIN_THREADS_MAX */
    train_metric select_metric;
    uint32_t select_at; /* the K of the metric that selects the best epoch */
    eval_protocol protocol;
    bool without_mi, without_fsc, without_bsc; /* without_fsc is plain averaging */
    bool without_links;                        /* the score is the inner product alone */
    /* For catalogues so large that neighbours are approximate: the share of exact neighbours that
     * must be found, measured on a sample. 0 takes KNN_RECALL_MIN of core/train/method/knn.h. */
    double knn_recall_min;
} train_options;

#define TRAIN_OPTIONS_INIT                                                                         \
    {                                                                                              \
        .dim = 64, .layers = 3, .gamma_forward = 0.2, .gamma_backward = 0.2, .lr = 1e-3,           \
        .weight_decay = 0.1, .batch = 1024, .epochs = 500, .eval_every = 5, .seed = 1,             \
        .threads = 1, .select_metric = TRAIN_NDCG, .select_at = 20                                 \
    }

/* train_options_fit sets a batch size or learning rate of 0 by the number of training pairs. Fewer
 * pairs get smaller batches, of at least TRAIN_BATCH_LEAST, and the rate follows the batch. Without
 * `features` the rate is at least TRAIN_LR_BARE_MIN. */
void train_options_fit(train_options *o, size_t pairs, bool features);

/* train_options_check names the first value that is out of range. ERR_INVALID. */
err_code train_options_check(const train_options *o, err *e) ERR_CHECKED;

/* train_options_same returns ERR_CONFLICT if a training with the options `asked` cannot resume one
 * with the options `made`. The error names the first option that affects the result and differs,
 * with both values. `epochs` may differ: a longer run may resume a shorter one. */
err_code train_options_same(const train_options *made, const train_options *asked,
                            err *e) ERR_CHECKED;

/* train_options_fingerprint hashes all options that affect the result, except `epochs`. */
uint64_t train_options_fingerprint(const train_options *o);

#endif
