/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_state: everything that a training carries from one epoch to the next, in one piece of
 * memory.
 *
 * The piece has the layout of a checkpoint, so saving copies nothing:
 *
 *     header (TRAIN_STATE_HEADER bytes) | E | m | v | best E (if evaluating) | curve points
 *
 * Random numbers need no state, because every epoch has its own stream of the seed. A checkpoint is
 * valid only for the same data, the same options (except the number of epochs) and the same byte
 * order. It records them, and a mismatch is reported.
 */
#ifndef CORE_TRAIN_STATE_H
#define CORE_TRAIN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/model/model.h"
#include "core/model/train_options.h"

enum { TRAIN_STATE_HEADER = 4096 };

typedef struct train_header {
    char magic[8];
    uint64_t bytes;         /* of the whole checkpoint */
    uint64_t data, options; /* fingerprints */
    uint64_t users, items, dim;
    uint32_t stage;             /* 0, or 1: the second run of a refit */
    uint32_t tables;            /* 3, or 4 with the best E */
    uint32_t epoch;             /* finished */
    uint32_t best_epoch, stale; /* stale: evaluations since `gained` was reached */
    uint32_t first_epochs;      /* stage 1: epochs of the first run */
    uint64_t time;              /* steps */
    double best_value;
    double gained;   /* the last value that was TRAIN_GAIN_MIN times the one before it */
    double loss_sum; /* since the last curve point */
    uint32_t loss_epochs;
    uint32_t curve_count;
    double seconds, seconds_per_epoch; /* before the last start */
    eval_metrics valid;                /* of the best epoch */
    /* Stage 1: what the first run chose. */
    model_serving serving;
    links_choice links; /* all betas 0: none */
    double serving_gain, links_gain;
    /* What was asked for, to name what another asks differently: */
    train_options asked;
    uint32_t refit; /* 1: this is one of the two runs of a refit */
    uint32_t modality_count;
    uint32_t neighbours[MODALITIES_MAX]; /* by the dataset's modalities */
} train_header;

typedef struct train_state {
    unsigned char *image; /* the piece */
    train_header *head;
    float *embeddings, *m, *v, *best; /* (users + items, dim); best NULL without evaluations */
    model_point *curve;               /* (curve_room) */
    size_t curve_room;
} train_state;

typedef struct train_shape {
    bool evaluates, refit;
    size_t curve_room; /* points */
} train_shape;

/* train_state_init allocates for the data, options and shape; all zero but the header. */
err_code train_state_init(train_state *s, const dataset *d, const train_options *o,
                          const train_shape *shape, err *e) ERR_CHECKED;
void train_state_fini(train_state *s);

/* train_state_restore takes a checkpoint in; ERR_CONFLICT if it is of other data or options,
 * ERR_CORRUPT if it is damaged. The state must have been initialised for its stage. */
err_code train_state_restore(train_state *s, const void *bytes, size_t count, err *e) ERR_CHECKED;

/* train_state_check says before anything is prepared whether a checkpoint is of these neighbours,
 * options and kind of run: ERR_CONFLICT names the first that differs, with both values; ERR_CORRUPT
 * if it is no checkpoint. */
err_code train_state_check(const void *bytes, size_t count, const dataset *d,
                           const train_options *o, bool refit, err *e) ERR_CHECKED;

/* train_state_peek reads the header of a checkpoint; ERR_CORRUPT if it is none. */
err_code train_state_peek(train_header *out, const void *bytes, size_t count, err *e) ERR_CHECKED;

/* train_state_bytes is how much of `image` a checkpoint is now; it sets head->bytes. */
size_t train_state_bytes(train_state *s);

#endif
