/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cold_words: encodes an item's texts as one more feature vector.
 *
 * A generation may have a modality made from texts (core/words). A later item's texts are encoded
 * with the same vocabulary, and the vector is added to the item's given features; the cold start
 * treats it like any other feature.
 */
#ifndef CORE_COLD_WORDS_H
#define CORE_COLD_WORDS_H

#include <stddef.h>

#include "core/common/change.h"
#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/words/words.h"

/* What the shop says about an item: vectors and texts. Everything is borrowed. */
typedef struct item_content {
    const feature *features; /* (count) */
    size_t count;
    words_document text;
} item_content;

/* The given features plus the vector of the words. */
typedef struct cold_words {
    feature features[MODALITIES_MAX + 1]; /* (count) */
    size_t count;
    size_t known; /* terms of the text that the vocabulary contains */
    float vector[WORDS_WIDTH];
} cold_words;

/* cold_words_add fills *out with the given features, which it borrows, and with the vector of the
 * text if the vocabulary contains any of its terms. With `w` NULL nothing is added. */
err_code cold_words_add(cold_words *out, const word_space *w, const item_content *content,
                        err *e) ERR_CHECKED;

/* cold_words_of_change returns the content that a change carries. */
item_content cold_words_of_change(const change_item *item);

#endif
