/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words: encodes an item's texts as a vector, with a vocabulary fitted on the shop's own catalogue.
 *
 * Fitted on a catalogue (words_fit.h): a vocabulary, in how many items each term occurs, and a
 * direction of each term in a space of WORDS_WIDTH. An item is the sum of its terms' directions,
 * each with weight log2(1 + frequency) x (log((1 + N) / (1 + n)) + 1), brought to length 1: latent
 * semantic analysis (Deerwester et al., 1990) of sublinear TF-IDF. So an item that came after the
 * fit is encoded as those of the fit are, in microseconds, and a query's text too.
 *
 * Terms are 64-bit hashes and directions 16-bit integers with a scale each; there is no text in it.
 * The whole is one run of bytes that is stored as it is. Immutable, thread-safe; a words_scratch is
 * used by one thread at a time.
 */
#ifndef CORE_WORDS_H
#define CORE_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/words/bag.h"

enum { WORDS_WIDTH = 384 };
#define WORDS_MODALITY "words"

/* What a vocabulary takes in memory at most: the directions, the terms and the table to find one.
 */
#define WORDS_BYTES_MAX ((size_t)64 << 20)
enum { WORDS_TERM_BYTES = WORDS_WIDTH * 2 + 8 + 4 + 4 + 4 + 8 };

typedef struct word_space word_space;
typedef struct words_scratch words_scratch;

/* words_open takes over `bytes` (from mem_array; freed by words_free, also on failure) that
 * words_bytes gave. ERR_CORRUPT. */
err_code words_open(word_space **out, void *bytes, size_t count, err *e) ERR_CHECKED;
void words_free(word_space *w); /* accepts NULL */

/* words_bytes borrows the bytes to store. */
const void *words_bytes(const word_space *w, size_t *count);

size_t words_terms(const word_space *w);
size_t words_memory(const word_space *w); /* bytes that it holds */

err_code words_scratch_new(words_scratch **out, err *e) ERR_CHECKED;
void words_scratch_free(words_scratch *s); /* accepts NULL */

/* words_encode writes the vector of `d` and returns how many of its terms are known; 0: the vector
 * is 0 throughout. */
size_t words_encode(const word_space *w, const words_document *d, words_scratch *s,
                    float *out /* (WORDS_WIDTH) */);

#endif
