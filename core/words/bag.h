/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bag: the terms of an item's texts, with their frequencies.
 *
 * A term is a word, a pair of consecutive words in a field, or a run of characters of a rare word.
 * The frequency of a term is the sum of the weights of the fields in which it occurs. A category,
 * and a text among the attributes, also counts as a whole, so that a category "Tents" differs from
 * the word "tents".
 *
 * A bag is reused from item to item. It holds at most BAG_TERMS_MAX terms and ignores later ones,
 * so an item takes bounded time. One thread at a time.
 */
#ifndef CORE_BAG_H
#define CORE_BAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/common/slice.h"

enum { BAG_TERMS_MAX = 8192 };

/* The texts of an item. Everything is borrowed; absent fields are {NULL, 0}. */
typedef struct words_document {
    slice title, description;
    const slice *categories; /* (category_count) */
    size_t category_count;
    const attribute *attributes; /* (attribute_count); numbers and truth values are ignored */
    size_t attribute_count;
} words_document;

typedef enum bag_kind { BAG_WORD, BAG_PAIR, BAG_PART } bag_kind;

typedef struct bag_term {
    uint64_t hash;
    float frequency;
    bag_kind kind;
} bag_term;

/* bag_rare_fn tells whether a word is rare enough that its runs of characters are added. */
typedef bool (*bag_rare_fn)(const void *ctx, uint64_t hash);

typedef struct bag bag;

err_code bag_new(bag **out, err *e) ERR_CHECKED;
void bag_free(bag *b); /* accepts NULL */

typedef struct bag_options {
    unsigned tokens;  /* version of the tokenizer (tokens.h) */
    bag_rare_fn rare; /* NULL: no runs of characters are added */
    const void *ctx;
} bag_options;

/* bag_fill replaces the content with the terms of `d`. */
void bag_fill(bag *b, const words_document *d, const bag_options *o);

/* bag_terms borrows the terms, in the order of their first occurrence. */
const bag_term *bag_terms(const bag *b, size_t *count);

#endif
