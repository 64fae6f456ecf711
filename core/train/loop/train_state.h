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
    uint64_t bytes;         /* size of the whole checkpoint */
    uint64_t data, options; /* fingerprints */
    uint64_t users, items, dim;
    uint32_t stage;             /* 1 in the second run of a refit, otherwise 0 */
    uint32_t tables;            /* 3, or 4 with the best E */
    uint32_t epoch;             /* number of finished epochs */
    uint32_t best_epoch, stale; /* stale: evaluations since the last improvement, `gained` */
    uint32_t first_epochs;      /* in stage 1: epochs of the first run */
    uint64_t time;              /* number of steps so far */
    double best_value;
    double gained;   /* the metric at the last improvement, which was by at least TRAIN_GAIN_MIN */
    double loss_sum; /* sum of the epochs' mean losses since the last curve point */
    uint32_t loss_epochs;
    uint32_t curve_count;
    double seconds, seconds_per_epoch; /* of the runs before the last start */
    eval_metrics valid;                /* metrics of the best epoch */
    /* In stage 1: what the first run chose. */
    model_serving serving;
    links_choice links; /* all betas 0 if there are no links */
    double serving_gain, links_gain;
    /* The options of this training, to name those that a resumed training changes: */
    train_options asked;
    uint32_t refit; /* 1 if this is one of the two runs of a refit */
    uint32_t modality_count;
    uint32_t neighbours[MODALITIES_MAX]; /* in the order of the dataset's modalities */
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
    size_t curve_room; /* capacity in points */
} train_shape;

/* train_state_init allocates the state for the data, options and shape. All is zero except the
 * header. */
err_code train_state_init(train_state *s, const dataset *d, const train_options *o,
                          const train_shape *shape, err *e) ERR_CHECKED;
void train_state_fini(train_state *s);

/* train_state_restore loads a checkpoint. The state must have been initialised for the checkpoint's
 * stage. ERR_CONFLICT: it belongs to other data or options. ERR_CORRUPT: it is damaged. */
err_code train_state_restore(train_state *s, const void *bytes, size_t count, err *e) ERR_CHECKED;

/* train_state_check checks, before any preparation, that a checkpoint was made with these
 * neighbours, options and kind of run. ERR_CONFLICT names the first difference, with both values.
 * ERR_CORRUPT: it is not a checkpoint. */
err_code train_state_check(const void *bytes, size_t count, const dataset *d,
                           const train_options *o, bool refit, err *e) ERR_CHECKED;

/* train_state_peek reads the header of a checkpoint. ERR_CORRUPT: it is not a checkpoint. */
err_code train_state_peek(train_header *out, const void *bytes, size_t count, err *e) ERR_CHECKED;

/* train_state_bytes returns the size of the checkpoint at the start of `image`, and sets
 * head->bytes. */
size_t train_state_bytes(train_state *s);

#endif
