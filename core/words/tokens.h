/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokens: splits a text in any script into words, folded so that variants of a word are equal.
 *
 * Characters are decomposed by compatibility and case-folded (utf8proc: NFKD, full folding).
 * Accents of Latin, Greek, Cyrillic, Hebrew, Arabic and kana are dropped; vowel signs that carry
 * meaning, as in Devanagari or Thai, stay. The tokens are:
 *
 *   letters, marks and digits in a row     one word; an apostrophe inside is dropped
 *   words joined by "-", "/", ".", "_"     each word, and all of them as one ("t-shirt",
 *                                          "AB-1234/5")
 *   scripts written without spaces         pairs of characters, and a short run as a whole;
 *                                          Han and kana also single characters
 *   Hangul                                 the word, and pairs of its syllables, because Korean
 *                                          joins nouns to each other and particles to nouns
 *   Arabic script                          the stem of the word (arabic.h)
 *   emoji and other symbols                a word each
 *
 * Tokens are hashes of their characters, so a vocabulary stores no text. The cost is linear in the
 * text and bounded by TOKENS_MAX. Pure functions; thread-safe.
 *
 * A vocabulary is used with the version of the tokenizer that it was fitted with, so that an older
 * generation keeps its vectors. Version 1 has no rules for Hangul and Arabic script.
 */
#ifndef CORE_TOKENS_H
#define CORE_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/slice.h"

enum {
    TOKENS_MAX = 4096,         /* tokens of one text; the rest is not read */
    TOKEN_CHARACTERS_MAX = 48, /* a longer word is cut */
    TOKENS_VERSION = 2,        /* the newest; the oldest is 1 */
    TOKEN_RUN_WHOLE_MAX = 8,   /* a longer run in a script without spaces is not also a word */
};

typedef enum token_kind {
    TOKEN_WORD,   /* a word, which may form a pair with the word before it */
    TOKEN_JOINED, /* several joined words as one, in addition to the single words */
    TOKEN_GRAM,   /* a few characters or syllables of a run; consecutive ones overlap */
} token_kind;

typedef struct token {
    token_kind kind;
    uint64_t hash;
    const uint32_t *characters; /* (count) folded characters, valid until the callback returns */
    size_t count;
} token;

typedef void (*token_fn)(void *ctx, const token *t);

/* tokens_each calls `each` for every token of the text, in order, by the rules of a version. */
void tokens_each(slice text, unsigned version, token_fn each, void *ctx);

/* tokens_hash returns the hash of folded characters. `seed` separates kinds of terms. */
uint64_t tokens_hash(const uint32_t *characters, size_t count, uint64_t seed);

#endif
