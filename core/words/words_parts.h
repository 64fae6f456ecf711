/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words_parts: the byte layout of words, for words_fit.c and words.c.
 *
 * A header of WORDS_HEADER_BYTES (magic 8, terms u64, items u64, width u32, version u32), then
 * vectors i16 (terms, width), hashes u64 (terms, ascending), items u32 (terms), scales f32 (terms);
 * little-endian. The version is that of the tokenizer (tokens.h).
 */
#ifndef CORE_WORDS_PARTS_H
#define CORE_WORDS_PARTS_H

#include "core/words/words.h"

enum { WORDS_HEADER_BYTES = 64, WORDS_RARE_ITEMS = 3 };

typedef struct words_header {
    char magic[8];
    uint64_t terms, items;
    uint32_t width, version;
    char zero[32];
} words_header;

#define WORDS_MAGIC "stairwd1"

struct word_space {
    size_t terms, bytes, slot_mask;
    unsigned version;            /* of the tokenizer */
    uint64_t items;              /* number of items in the catalogue that it was fitted on */
    char *memory;                /* (bytes) memory of everything below except the last two */
    const int16_t *vectors;      /* (terms, WORDS_WIDTH) */
    const uint64_t *hashes;      /* (terms) */
    const uint32_t *item_counts; /* (terms) */
    const float *scales;         /* (terms) scale of each vector */
    float *weights;              /* (terms) inverse document frequency */
    uint32_t *slots;             /* (slot_mask + 1) a term's number plus 1; 0 if free */
};

/* words_find returns the number of a term, or SIZE_MAX if the vocabulary lacks it. */
size_t words_find(const word_space *w, uint64_t hash);

/* words_term_weight returns the weight of a term in an item. */
float words_term_weight(uint64_t items, uint32_t item_count);
float words_frequency_weight(float frequency);

#endif
