/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words: encodes an item's texts as a vector, with a vocabulary fitted on the shop's own catalogue.
 *
 * Fitting (words_fit.h) produces a vocabulary, the number of items that contain each term, and a
 * direction for each term in a space of WORDS_WIDTH dimensions. An item's vector is the sum of its
 * terms' directions, each weighted by log2(1 + frequency) x (log((1 + N) / (1 + n)) + 1), and
 * scaled to length 1. This is latent semantic analysis (Deerwester et al., 1990) of sublinear
 * TF-IDF. Later items and the texts of queries are encoded in the same way, in microseconds.
 *
 * Terms are 64-bit hashes, and directions are 16-bit integers with a scale each; no text is stored.
 * All of it is one block of bytes, which is stored unchanged. Immutable, thread-safe; one thread at
 * a time uses a words_scratch.
 */
#ifndef CORE_WORDS_H
#define CORE_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/words/bag.h"

enum { WORDS_WIDTH = 384 };
#define WORDS_MODALITY "words"

/* The most memory of a vocabulary: the directions, the terms and the table that finds them. */
#define WORDS_BYTES_MAX ((size_t)64 << 20)
enum { WORDS_TERM_BYTES = WORDS_WIDTH * 2 + 8 + 4 + 4 + 4 + 8 };

typedef struct word_space word_space;
typedef struct words_scratch words_scratch;

/* words_open takes over `bytes`, which come from words_bytes and were allocated by mem_array;
 * words_free frees them, also after a failure. ERR_CORRUPT. */
err_code words_open(word_space **out, void *bytes, size_t count, err *e) ERR_CHECKED;
void words_free(word_space *w); /* accepts NULL */

/* words_bytes borrows the bytes to store. */
const void *words_bytes(const word_space *w, size_t *count);

size_t words_terms(const word_space *w);
size_t words_memory(const word_space *w); /* its size in memory */

err_code words_scratch_new(words_scratch **out, err *e) ERR_CHECKED;
void words_scratch_free(words_scratch *s); /* accepts NULL */

/* words_encode writes the vector of `d` and returns how many of its terms are known. With 0 the
 * vector is all 0. */
size_t words_encode(const word_space *w, const words_document *d, words_scratch *s,
                    float *out /* (WORDS_WIDTH) */);

#endif
