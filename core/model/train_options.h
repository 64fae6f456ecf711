/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_options: every knob of a training, with the published defaults.
 *
 * Plain data, so that it can be kept with the model, stored and compared. gamma is split in two:
 * the forward strength (how much the graph mixes into early dimensions) and the backward one (how
 * far updates spread over the item graph); the paper sets both to the same number.
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

/* train_metric_text writes the name of a metric at K, such as "NDCG@20", as the command line takes
 * it and every output shows it. */
enum { TRAIN_METRIC_TEXT = 32 };
void train_metric_text(char out[TRAIN_METRIC_TEXT], train_metric metric, uint32_t at);

/* What train_options_fit chooses from. */
enum { TRAIN_BATCH_LEAST = 1024, TRAIN_BATCH_MOST = 8192, TRAIN_STEPS_WANTED = 32 };
/* The rate for each TRAIN_BATCH_LEAST of the batch: of a small batch and of a large one. */
#define TRAIN_LR_OF_SMALL 1.5e-3
#define TRAIN_LR_OF_LARGE 2.5e-3
/* The least rate for items without features: they all start alike, and a slower training stays for
 * hundreds of epochs where popularity is all that it has learnt. */
#define TRAIN_LR_BARE_MIN 1e-2

/* A validation metric has gained if it is so many times what it was when it gained last. Less goes
 * on for hundreds of epochs where a test no longer sees it. */
#define TRAIN_GAIN_MIN 1.01

/* Which users count and what is masked; see core/model/eval.h. */
typedef enum eval_protocol { PROTOCOL_STAIR = 0, PROTOCOL_MMREC } eval_protocol;

typedef struct train_options {
    uint32_t dim;          /* 1 .. TRAIN_DIM_MAX */
    uint32_t layers;       /* 0 .. TRAIN_LAYERS_MAX */
    double gamma_forward;  /* >= 0; FSC */
    double gamma_backward; /* >= 0; BSC */
    double lr, weight_decay;
    uint32_t batch, epochs;
    uint32_t patience;   /* evaluations without a gain before stopping; 0 never stops */
    uint32_t eval_every; /* epochs; 0 never evaluates and keeps the last epoch */
    uint64_t seed;
    int threads; /* 1 .. TRAIN_THREADS_MAX */
    train_metric select_metric;
    uint32_t select_at; /* the K of the metric that picks the best epoch */
    eval_protocol protocol;
    bool without_mi, without_fsc, without_bsc; /* without_fsc is plain averaging */
    bool without_links;                        /* the score is the inner product alone */
    /* Of catalogues so large that neighbours are approximate: how many of the exact ones must be
     * found, on a sample; 0 takes KNN_RECALL_MIN of core/train/method/knn.h. */
    double knn_recall_min;
} train_options;

#define TRAIN_OPTIONS_INIT                                                                         \
    {                                                                                              \
        .dim = 64, .layers = 3, .gamma_forward = 0.2, .gamma_backward = 0.2, .lr = 1e-3,           \
        .weight_decay = 0.1, .batch = 1024, .epochs = 500, .eval_every = 5, .seed = 1,             \
        .threads = 1, .select_metric = TRAIN_NDCG, .select_at = 20                                 \
    }

/* train_options_fit chooses a batch and a learning rate of 0 by the number of training pairs: of
 * few pairs smaller batches, at least TRAIN_BATCH_LEAST, and a rate that goes with the batch.
 * Without `features` the rate is at least TRAIN_LR_BARE_MIN. */
void train_options_fit(train_options *o, size_t pairs, bool features);

/* train_options_check names the first value out of its range. ERR_INVALID. */
err_code train_options_check(const train_options *o, err *e) ERR_CHECKED;

/* train_options_same is ERR_CONFLICT if a training that was `asked` for cannot go on from one that
 * was `made` with these: it names the first option that decides the result and differs, with both
 * values. `epochs` may differ: a longer run may go on from a shorter one. */
err_code train_options_same(const train_options *made, const train_options *asked,
                            err *e) ERR_CHECKED;

/* train_options_fingerprint is a number of all that decides the result, but for `epochs`. */
uint64_t train_options_fingerprint(const train_options *o);

#endif
