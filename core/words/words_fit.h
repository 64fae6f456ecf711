/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words_fit: fits the vocabulary of words.h on a catalogue.
 *
 * It makes three passes over the items. The first counts words. The second counts pairs of words,
 * and runs of characters of rare words. The third builds the matrix of weights from the terms that
 * were kept; its leading singular vectors are the directions of the terms. Terms with the most
 * weight in the catalogue (items times squared weight) are kept until the bytes are full. For more
 * than SAMPLE items (words_fit.c), the directions come from an even sample and the counts from all
 * items.
 *
 * The same items in the same order give the same bytes, with any number of threads.
 */
#ifndef CORE_WORDS_FIT_H
#define CORE_WORDS_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/words/words.h"

typedef err_code (*words_visit)(void *ctx, const words_document *d, err *e);

/* The source of the items' texts. `each` calls `visit` for every item, in the same order each time,
 * and stops at the first failure. */
typedef struct words_source {
    err_code (*each)(void *ctx, words_visit visit, void *visit_ctx, err *e);
    void *ctx;
} words_source;

typedef struct words_fit_options {
    size_t bytes_max; /* limit for words_memory; 0 means WORDS_BYTES_MAX */
    int threads;
    unsigned tokens;              /* version of the tokenizer; 0: the newest */
    bool (*cancelled)(void *ctx); /* called between the steps; may be NULL */
    void *ctx;
} words_fit_options;

/* words_fit fits a vocabulary. For a catalogue without words it returns ERR_OK, and *out is NULL.
 * ERR_CANCELLED. */
err_code words_fit(word_space **out, const words_source *source, const words_fit_options *o,
                   err *e) ERR_CHECKED;

#endif
