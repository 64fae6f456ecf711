/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bits: a bitmap over rows, as an array of 64-bit words.
 *
 * Bit `row % 64` of word `row / 64` belongs to the row. Loops that process a word at a time read
 * the words directly; all other code uses these functions. They have no state: the owner of the
 * words decides how threads share them.
 */
#ifndef CORE_BITS_H
#define CORE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* bits_words returns the number of words for `count` rows. */
static inline size_t bits_words(size_t count)
{
    return (count + 63) / 64;
}

static inline bool bits_test(const uint64_t *words, size_t row)
{
    return (words[row / 64] >> (row % 64) & 1) != 0;
}

static inline void bits_set(uint64_t *words, size_t row)
{
    words[row / 64] |= UINT64_C(1) << (row % 64);
}

static inline void bits_clear(uint64_t *words, size_t row)
{
    words[row / 64] &= ~(UINT64_C(1) << (row % 64));
}

/* bits_set_if sets the row's bit if `value` is true and leaves it otherwise. It has no branch. */
static inline void bits_set_if(uint64_t *words, size_t row, bool value)
{
    words[row / 64] |= (uint64_t)value << (row % 64);
}

#endif
