/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model: the tables that training produces, independent of how they were trained.
 *
 * A model covers rows [0, users) and [0, items) of its dataset. The strengths are stored as the two
 * vectors w and f, never as gamma: plain averaging is the same formula with f = 1 and w = 1 /
 * (layers + 1). By docs/model.md
 *     H = w * sum_l f^l A^l E        and        G = w * sum_{l >= 1} f^l A^(l-1) E,
 * so a user's row is  H_u = user_w * E_u + sum_i a_ui G_i,  a_ui = weight / sqrt(deg_u deg_i),
 * where a degree is a sum of weights.
 *
 * Plain struct. Immutable once trained or loaded; any number of threads may then read it.
 */
#ifndef CORE_MODEL_H
#define CORE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/content_map.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"
#include "core/model/features.h"
#include "core/model/links.h"
#include "core/model/train_options.h"

typedef struct model_modality {
    char name[FEATURE_NAME_BYTES];
    size_t width;
    uint32_t neighbours;
    float *mean;       /* (width) mean over the items that have the modality */
    float *projection; /* (width, dim) the W of an item is (x - mean) projection */
    float *spread;     /* (dim) singular value / sqrt(n / dim); 0 beyond the rank */
    float *content;    /* (items, dim) whitened rows W; a row of NaN is missing */
} model_modality;

/* Which layers of a trained E are served. Validation chooses (core/train/loop/choose.h). */
typedef enum model_serving {
    SERVE_AS_TRAINED = 0,
    SERVE_PLAIN,             /* the mean of all layers */
    SERVE_PLAIN_TWO,         /* the mean of layers 0 to 2 */
    SERVE_USERS_WITHOUT_OWN, /* the mean of all layers, but without layer 0 for users */
    SERVE_WAYS,
} model_serving;

/* One evaluated epoch. */
typedef struct model_point {
    uint32_t epoch; /* number of the epoch, from 1 */
    float loss;     /* mean over the epochs since the previous point */
    float recall;   /* recall and NDCG on validation, at options.select_at */
    float ndcg;
    double seconds; /* seconds of training since the start, with evaluations */
} model_point;

typedef struct model {
    uint32_t dim, layers; /* layers: the number that is served */
    size_t users, items;
    model_serving serving;
    float *w, *f;  /* (dim) the strengths of FSC, as served */
    float *user_w; /* (dim) w, or 0 if users are served without their own layer */
    float *user_e; /* (users, dim) */
    /* (users) number of each user's pairs that E was learned from; NULL if unknown, in an older
     * store */
    uint32_t *user_pairs;
    float *item_e;              /* (items, dim) */
    float *item_h;              /* (items, dim) */
    float *item_g;              /* (items, dim) */
    item_links *links;          /* the sparse part of the score; NULL if there is none */
    content_map *map;           /* for the content links of later items; NULL if there is none */
    model_modality *modalities; /* (modality_count) */
    size_t modality_count;
    train_options options;
    uint32_t epochs, best_epoch;       /* epochs that ran, and the one that E is from */
    double seconds, seconds_per_epoch; /* total, and the median of an epoch without evaluation */
    eval_metrics valid, test;          /* .users is 0 if not measured */
    /* How much the choices after training improved the validation metric, as a factor; 1 if nothing
     * was chosen. */
    double serving_gain, links_gain;
    model_point *curve; /* (curve_count) */
    size_t curve_count;
} model;

/* model_new makes zeroed tables of these sizes. dim, layers and the strengths w and f come from the
 * options. The modality_count modalities have NULL tables. */
err_code model_new(model **out, const train_options *o, size_t users, size_t items,
                   size_t modality_count, err *e) ERR_CHECKED;
void model_free(model *m); /* accepts NULL */

/* model_modality_alloc allocates the tables of modality `index` for `width`. */
err_code model_modality_alloc(model *m, size_t index, const char *name, size_t width,
                              err *e) ERR_CHECKED;

/* model_serve sets layers, w, f and user_w for this way of serving. H and G must then be computed
 * again. */
void model_serve(model *m, model_serving serving);

/* model_own_weights allocates and fills user_w of a model that has w. */
err_code model_own_weights(model *m, err *e) ERR_CHECKED;

/* model_serving_name describes a way of serving in words, or returns NULL for an unknown number. */
const char *model_serving_name(model_serving serving);

/* model_rank returns how many of the `dim` dimensions a modality's features fill. */
size_t model_rank(const model_modality *x, size_t dim);

/* model_convolve computes item_h and item_g from E over the graph of these pairs (sorted, unique).
 * model_count counts the pairs of each user that E was learned from. model_finish does both, for
 * the same pairs. */
err_code model_convolve(model *m, const pair *pairs, size_t count, err *e) ERR_CHECKED;
err_code model_finish(model *m, const pair *train, size_t count, err *e) ERR_CHECKED;
err_code model_count(model *m, const pair *train, size_t count, err *e) ERR_CHECKED;

/* model_judged borrows the metrics that represent the model: those of test, or else of
 * validation. */
const eval_metrics *model_judged(const model *m);

/* model_user_vector writes H_u into out (dim), for a user with these items (rows of the model) and
 * coefficients a_ui. e_u (dim) is the user's row of E. */
void model_user_vector(const model *m, const float *e_u, const uint32_t *items, const float *a,
                       size_t count, float *out);

#endif
