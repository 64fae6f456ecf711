/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links_build: how links come from interactions and from the neighbours of the items' features.
 *
 * Collaborative, for an owned item j and a target i, n being an item's sum of squared weights:
 *   cosine     L(j, i) = sum over users of weight_j weight_i / (sqrt(n_j n_i) + shrinkage)
 *   directed   the same denominator; a user who took i within LINKS_WINDOW steps after j counts
 *              weight_j weight_i / distance, one who took i before j half of that, and one who took
 *              both at one time three quarters of it at distance 1
 * Content: L(j, i) = sum over modalities of modality[m] * max(0, cosine_m(j, i))^2.
 *
 * The directed links are those of session-based neighbours, e.g. Ludewig and Jannach, "Evaluation
 * of Session-based Recommendation Algorithms", 2018; the shrunk cosine is
 * core/train/eval/baseline.h's.
 *
 * The results do not depend on the number of threads. One thread calls.
 */
#ifndef CORE_LINKS_BUILD_H
#define CORE_LINKS_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/interaction_graph.h"
#include "core/model/links.h"

enum {
    LINKS_WINDOW = 5,            /* steps */
    LINKS_USER_ITEMS_MAX = 1000, /* of a longer history the latest so many items count */
    LINKS_KEPT_COLLABORATIVE = 100,
    LINKS_KEPT_CONTENT = 50, /* of each modality */
};

/* Of the links of a kind, unless validation says otherwise. */
#define LINKS_SHRINKAGE_COSINE   100.0F
#define LINKS_SHRINKAGE_DIRECTED 20.0F

/* links_collaborative fills `out`, which must be empty, from the pairs by choice->kind and
 * choice->shrinkage, with the LINKS_KEPT_COLLABORATIVE strongest of each item. */
err_code links_collaborative(links_table *out, const interaction_list *list,
                             const links_choice *choice, int threads, err *e) ERR_CHECKED;

/* links_rebuilt makes a copy of `l` whose collaborative links are those of these pairs, by the
 * choice that `l` has; where they are not used, as they are. It has rows for list->items items at
 * least. */
err_code links_rebuilt(item_links **out, const item_links *l, const interaction_list *list,
                       int threads, err *e) ERR_CHECKED;

/* links_timed tells whether directed links can say anything: some user has pairs of two times. */
bool links_timed(const interaction_list *list);

/* The nearest items of one modality. */
typedef struct links_near {
    const uint32_t *rows;    /* (items, k) best first, ROW_NONE where there are fewer */
    const float *similarity; /* (items, k) cosines */
    size_t k;
    float weight;
} links_near;

/* links_content fills `out`, which must be empty, from the neighbours of `count` modalities. */
err_code links_content(links_table *out, const links_near *near, size_t count, size_t items,
                       err *e) ERR_CHECKED;

/* links_alike is one modality's share of a content link. */
static inline float links_alike(float weight, float cosine)
{
    return cosine > 0 ? weight * cosine * cosine : 0;
}

#endif
