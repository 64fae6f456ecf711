/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arabic: reduces a word in Arabic script to a stem, so that a noun with its article equals the
 * noun without it.
 *
 * Arabic writes the article and short prepositions as part of the word. This is light stemming
 * (Larkey, Ballesteros and Connell, "Light stemming for Arabic information retrieval", 2007): it
 * removes the article with what precedes it, the word "and", and common endings. It differs in one
 * point: prefixes are removed until none is left. So for any word x of three letters or more, the
 * stems of x and of article + x are equal. Pure; thread-safe.
 */
#ifndef CORE_ARABIC_H
#define CORE_ARABIC_H

#include <stddef.h>
#include <stdint.h>

/* arabic_letter returns the letter that stands for `c`: one for the variants of yeh and of kaf, and
 * heh for teh marbuta. Other characters are returned unchanged. */
uint32_t arabic_letter(uint32_t c);

/* arabic_stem removes prefixes and endings from the word (count), in place, and returns the new
 * length, at least 2 if `count` is. A word with a character of another script is left alone. */
size_t arabic_stem(uint32_t *word, size_t count);

#endif
