/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base: a generation's tables, ready to serve. Immutable once live has it.
 *
 * It holds what recommend() needs of a generation: the index over H (the only copy of H), E and G
 * of the items, E of the users, the weights of FSC, and the maps from features to vectors for later
 * items (core/serve/state/coldstart.h). A base is made in the background and handed to
 * live_activate.
 *
 * Bases are reference-counted. Views hold references, and so do bases that a background run of FSC
 * derived from another base.
 */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/common/types.h"
#include "core/serve/state/cold_words.h"

typedef struct base base;
typedef struct model model;               /* core/model/model.h */
typedef struct vector_index vector_index; /* core/search/index.h */

typedef struct base_options {
    uint32_t generation; /* > 0 */
    /* ANN bytes as stored with the generation. NULL: the index is chosen by its size. */
    const void *ann;
    size_t ann_bytes;
    /* An index made earlier (index_new_read) over the model's H; model.item_h may then be NULL. It
     * is taken over, also on failure. */
    vector_index *index;
    unsigned threads; /* for building the index; 0 means one */
    /* the vocabulary of the text modality, taken over, also on failure; NULL if the generation has
     * none */
    word_space *words;
    const struct coldstart_tuning
        *tuning; /* core/serve/state/coldstart_maps.h; NULL: the default */
    /* The items' features as given, by modality name, for finding the neighbours of later items
     * (core/serve/state/coldstart.h). Read only during base_new. Without them the neighbours are
     * worse. */
    const struct feature_source *sources; /* (source_count) */
    size_t source_count;
} base_options;

/* base_new takes the model over, also on failure, and builds the index unless one is given. It can
 * take long, and no other thread may use the model meanwhile. Release with base_release. */
err_code base_new(base **out, model *taken, const base_options *options, err *e) ERR_CHECKED;

/* base_fold_item computes a later item's vector from its features and words before the activation,
 * so that live_activate, which runs in the writer, need not. Call it only before the base is handed
 * to live. */
err_code base_fold_item(base *b, uint32_t item, const item_content *content, err *e) ERR_CHECKED;

/* base_words borrows the vocabulary that encodes texts. NULL: the generation has no text
 * modality. */
const word_space *base_words(const base *b);

/* base_hold adds a reference. base_release drops one; it accepts NULL. */
base *base_hold(base *b);
void base_release(base *b);

uint32_t base_generation(const base *b);
size_t base_items(const base *b);

/* base_modality tells whether the generation was trained with the modality, and reports its
 * width. */
bool base_modality(const base *b, slice name, size_t *width);

#endif
