/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links_build: builds links from interactions and from the nearest neighbours of features.
 *
 * Collaborative, for an owned item j and a target i, where n is an item's sum of squared weights:
 *   cosine     L(j, i) = sum over users of weight_j weight_i / (sqrt(n_j n_i) + shrinkage)
 *   directed   the same denominator. A user who took i within LINKS_WINDOW steps after j adds
 *              weight_j weight_i / distance; one who took i before j adds half of that; one who
 *              took both at the same time adds three quarters of the value at distance 1
 * Content: L(j, i) = sum over modalities of modality[m] * max(0, cosine_m(j, i))^2.
 *
 * The directed links are those of session-based neighbours, e.g. Ludewig and Jannach, "Evaluation
 * of Session-based Recommendation Algorithms", 2018. The shrunk cosine is that of
 * core/train/eval/baseline.h.
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
    LINKS_WINDOW = 5,            /* steps between two items of a directed link, at most */
    LINKS_USER_ITEMS_MAX = 1000, /* only the latest items of a longer history count */
    LINKS_KEPT_COLLABORATIVE = 100,
    LINKS_KEPT_CONTENT = 50, /* for each modality */
};

/* Shrinkage of each kind, unless validation chooses another. */
#define LINKS_SHRINKAGE_COSINE   100.0F
#define LINKS_SHRINKAGE_DIRECTED 20.0F

/* links_collaborative fills the empty table `out` from the pairs, by choice->kind and
 * choice->shrinkage. It keeps the LINKS_KEPT_COLLABORATIVE strongest links of each item. */
err_code links_collaborative(links_table *out, const interaction_list *list,
                             const links_choice *choice, int threads, err *e) ERR_CHECKED;

/* Several choices to build links by. Neighbours in the array that have one kind take little more
 * time than one of them. */
typedef struct links_choices {
    const links_choice *at; /* (count) */
    size_t count;
} links_choices;

/* links_collaborative_each is links_collaborative for each of several choices. `out` has one empty
 * table for each. */
err_code links_collaborative_each(links_table *out, const interaction_list *list,
                                  const links_choices *choices, int threads, err *e) ERR_CHECKED;

/* links_rebuilt copies `l` with new collaborative links, made from these pairs by the choice in
 * `l`. If `l` does not use collaborative links, they stay as they are. The copy has rows for at
 * least list->items items. */
err_code links_rebuilt(item_links **out, const item_links *l, const interaction_list *list,
                       int threads, err *e) ERR_CHECKED;

/* links_timed tells whether directed links can have any effect: some user has pairs of two
 * times. */
bool links_timed(const interaction_list *list);

/* The nearest items of each item by one modality. */
typedef struct links_near {
    const uint32_t *rows;    /* (items, k) best first, ROW_NONE if there are fewer */
    const float *similarity; /* (items, k) cosines */
    size_t k;
    float weight; /* the modality's weight in a content link */
} links_near;

/* links_content fills the empty table `out` from the neighbours of `count` modalities. */
err_code links_content(links_table *out, const links_near *near, size_t count, size_t items,
                       err *e) ERR_CHECKED;

/* links_alike returns one modality's share of a content link. */
static inline float links_alike(float weight, float cosine)
{
    return cosine > 0 ? weight * cosine * cosine : 0;
}

#endif
