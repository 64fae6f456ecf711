/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words_fit: from a catalogue to its words (words.h).
 *
 * Three passes over the items: words are counted, then pairs and the runs of characters of rare
 * words, then the matrix of weights is made of the terms that were kept; its leading singular
 * vectors are the terms' directions. Terms that say most of the catalogue are kept (items times
 * squared weight) until the bytes are full. Beyond SAMPLE items (words_fit.c) the directions come
 * of an even sample, the counts of all.
 *
 * The same items in the same order give the same bytes, whatever the threads.
 */
#ifndef CORE_WORDS_FIT_H
#define CORE_WORDS_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/words/words.h"

typedef err_code (*words_visit)(void *ctx, const words_document *d, err *e);

/* Where the items' texts come from. `each` calls `visit` for every item that there is, every time
 * in the same order, and stops at the first failure. */
typedef struct words_source {
    err_code (*each)(void *ctx, words_visit visit, void *visit_ctx, err *e);
    void *ctx;
} words_source;

typedef struct words_fit_options {
    size_t bytes_max; /* of words_memory; 0: WORDS_BYTES_MAX */
    int threads;
    bool (*cancelled)(void *ctx); /* asked between the steps; may be NULL */
    void *ctx;
} words_fit_options;

/* words_fit gives *out = NULL and ERR_OK for a catalogue without a word. ERR_CANCELLED. */
err_code words_fit(word_space **out, const words_source *source, const words_fit_options *o,
                   err *e) ERR_CHECKED;

#endif
