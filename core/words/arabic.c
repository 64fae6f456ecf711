/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/arabic.h"

#include <stdbool.h>
#include <string.h>

enum {
    ALEF = 0x627,
    BEH = 0x628,
    TEH_MARBUTA = 0x629,
    TEH = 0x62A,
    FEH = 0x641,
    KAF = 0x643,
    LAM = 0x644,
    NOON = 0x646,
    HEH = 0x647,
    WAW = 0x648,
    ALEF_MAKSURA = 0x649,
    YEH = 0x64A,
    KEHEH = 0x6A9,
    FARSI_YEH = 0x6CC,
    AFFIX_MAX = 4,
};

/* What may be removed, if at least `left` letters are left. */
typedef struct affix {
    size_t count, left;
    uint32_t letters[AFFIX_MAX];
} affix;

/* Longer ones first, so that the article is removed together with what precedes it. */
static const affix prefixes[] = {
    {4, 3, {WAW, BEH, ALEF, LAM}}, /* and with the */
    {4, 3, {WAW, KAF, ALEF, LAM}}, /* and like the */
    {3, 3, {WAW, ALEF, LAM}},      /* and the */
    {3, 3, {BEH, ALEF, LAM}},      /* with the */
    {3, 3, {KAF, ALEF, LAM}},      /* like the */
    {3, 3, {FEH, ALEF, LAM}},      /* then the */
    {3, 3, {WAW, LAM, LAM}},       /* and for the */
    {2, 2, {ALEF, LAM}},           /* the */
    {2, 3, {LAM, LAM}},            /* for the */
    {1, 3, {WAW}},                 /* and */
};

/* Each is removed once, in this order. */
static const affix endings[] = {
    {2, 2, {HEH, ALEF}}, {2, 2, {ALEF, NOON}}, {2, 2, {ALEF, TEH}}, {2, 2, {WAW, NOON}},
    {2, 2, {YEH, NOON}}, {2, 2, {YEH, HEH}},   {1, 2, {HEH}},       {1, 2, {YEH}},
};

uint32_t arabic_letter(uint32_t c)
{
    switch (c) {
    case TEH_MARBUTA: return HEH;
    case ALEF_MAKSURA:
    case FARSI_YEH: return YEH;
    case KEHEH: return KAF;
    default: return c;
    }
}

static bool is_arabic(const uint32_t *word, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (word[i] < 0x620 || word[i] > 0x6D5 || (word[i] > 0x64A && word[i] < 0x671)) {
            return false;
        }
    }
    return true;
}

/* fits tells whether the affix is at `at` of a word of `count` letters and may be removed. */
static bool fits(const affix *a, const uint32_t *at, size_t count)
{
    return count >= a->count + a->left && memcmp(at, a->letters, a->count * sizeof *at) == 0;
}

/* prefix_length returns the length of the prefix to remove, or 0. */
static size_t prefix_length(const uint32_t *word, size_t count)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (fits(&prefixes[i], word, count)) {
            return prefixes[i].count;
        }
    }
    return 0;
}

size_t arabic_stem(uint32_t *word, size_t count)
{
    if (!is_arabic(word, count)) {
        return count;
    }
    size_t first = 0, removed = 0;
    do {
        removed = prefix_length(word + first, count - first);
        first += removed;
    } while (removed > 0);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const affix *a = &endings[i];
        if (count - first >= a->count && fits(a, word + count - a->count, count - first)) {
            count -= a->count;
        }
    }
    memmove(word, word + first, (count - first) * sizeof *word);
    return count - first;
}
