/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model: the tables that a training leaves behind, and nothing of how it got there.
 *
 * A model covers rows [0, users) and [0, items) of its dataset. Everything downstream reads the
 * strengths as the two vectors w and f and never as gamma: plain averaging is the same formula with
 * f = 1 and w = 1 / (layers + 1). By docs/model.md
 *     H = w * sum_l f^l A^l E        and        G = w * sum_{l >= 1} f^l A^(l-1) E,
 * so a user's row is  H_u = user_w * E_u + sum_i a_ui G_i,  a_ui = weight / sqrt(deg_u deg_i),
 * where a degree is a sum of weights.
 *
 * Plain struct; immutable once trained or loaded, then free for any number of readers.
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
    float *mean;       /* (width) over the items that have it */
    float *projection; /* (width, dim): W of an item is (x - mean) projection */
    float *spread;     /* (dim) singular value / sqrt(n / dim); 0 beyond the rank */
    float *content;    /* (items, dim) the whitened rows W; a row of NaN is missing */
} model_modality;

/* With which layers a trained E is served; validation chooses (core/train/loop/choose.h). */
typedef enum model_serving {
    SERVE_AS_TRAINED = 0,
    SERVE_PLAIN,             /* the mean of all layers */
    SERVE_PLAIN_TWO,         /* the mean of layers 0 to 2 */
    SERVE_USERS_WITHOUT_OWN, /* the mean of all layers, for users without layer 0 */
    SERVE_WAYS,
} model_serving;

/* One evaluated epoch. */
typedef struct model_point {
    uint32_t epoch; /* from 1 */
    float loss;     /* mean over the epochs since the point before */
    float recall;   /* validation, at options.select_at */
    float ndcg;
    double seconds; /* of training since the start, evaluations included */
} model_point;

typedef struct model {
    uint32_t dim, layers; /* layers: those that are served */
    size_t users, items;
    model_serving serving;
    float *w, *f;         /* (dim) of what is served */
    float *user_w;        /* (dim) w, or 0 where users are served without their own layer */
    float *user_e;        /* (users, dim) */
    uint32_t *user_pairs; /* (users) pairs of each that E was learned from; NULL: unknown, an older
                             store's */
    float *item_e;        /* (items, dim) */
    float *item_h;        /* (items, dim) */
    float *item_g;        /* (items, dim) */
    item_links *links;    /* the sparse half of the score; NULL: none */
    content_map *map;     /* for the content links of later items; NULL: none */
    model_modality *modalities; /* (modality_count) */
    size_t modality_count;
    train_options options;
    uint32_t epochs, best_epoch;       /* run, and the one whose E this is */
    double seconds, seconds_per_epoch; /* whole, and the median without evaluation */
    eval_metrics valid, test;          /* .users 0 where not measured */
    /* What the choices at the end gained on validation, as a factor of the metric that training
     * selects by; 1 where nothing was chosen. */
    double serving_gain, links_gain;
    model_point *curve; /* (curve_count) */
    size_t curve_count;
} model;

/* model_new gives zeroed tables of these sizes; w and f come from the options (dim, layers and
 * strengths are taken from there). modality_count modalities with NULL tables. */
err_code model_new(model **out, const train_options *o, size_t users, size_t items,
                   size_t modality_count, err *e) ERR_CHECKED;
void model_free(model *m); /* accepts NULL */

/* model_modality_alloc allocates the tables of modality `index` for `width`. */
err_code model_modality_alloc(model *m, size_t index, const char *name, size_t width,
                              err *e) ERR_CHECKED;

/* model_serve sets layers, w, f and user_w for this way of serving. H and G are then due anew. */
void model_serve(model *m, model_serving serving);

/* model_own_weights allocates and fills user_w of a model that has w. */
err_code model_own_weights(model *m, err *e) ERR_CHECKED;

/* model_serving_name gives a way in words; NULL for a number that is none. */
const char *model_serving_name(model_serving serving);

/* model_rank is how many of the `dim` dimensions a modality's features fill. */
size_t model_rank(const model_modality *x, size_t dim);

/* model_convolve computes item_h and item_g from E over the graph of these pairs (sorted, unique);
 * model_count counts the pairs of each user that E was learned from. model_finish does both, where
 * they are the same pairs. */
err_code model_convolve(model *m, const pair *pairs, size_t count, err *e) ERR_CHECKED;
err_code model_finish(model *m, const pair *train, size_t count, err *e) ERR_CHECKED;
err_code model_count(model *m, const pair *train, size_t count, err *e) ERR_CHECKED;

/* model_judged borrows the figures that stand for the model: those of test, else of validation. */
const eval_metrics *model_judged(const model *m);

/* model_user_vector writes H_u into out (dim) for a user with these items (rows of the model) and
 * coefficients a_ui. e_u (dim) is the user's row of E. */
void model_user_vector(const model *m, const float *e_u, const uint32_t *items, const float *a,
                       size_t count, float *out);

#endif
