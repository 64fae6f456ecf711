/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/tokens.h"

#include <utf8proc.h>

#include "core/common/rng.h"
#include "core/words/arabic.h"
#include "core/words/markup.h"

/* The class of a folded character. */
typedef enum sort {
    SORT_SPACE,     /* ends a word */
    SORT_LETTER,    /* letters, marks and digits of scripts with spaces */
    SORT_IDEOGRAPH, /* Han and kana: single characters mean something */
    SORT_SYLLABLE,  /* Thai, Lao, Tibetan, Burmese, Khmer */
    SORT_SYMBOL,
    SORT_JOINER,  /* between two words without a space, it also joins them to one word */
    SORT_NOTHING, /* dropped: accents, apostrophes, invisible characters */
} sort;

/* Scripts whose words have rules of their own begin here. */
enum { FOLDED_MAX = 32, SEED_TOKEN = 1, GLUED_FIRST = 0x600 };

typedef struct range {
    uint32_t first, last;
} range;

static bool in_ranges(uint32_t c, const range *list, size_t count)
{
    for (size_t i = 0; i < count && c >= list[i].first; i++) {
        if (c <= list[i].last) {
            return true;
        }
    }
    return false;
}
#define IN(c, list) in_ranges(c, list, sizeof(list) / sizeof((list)[0]))

static const range ideographs[] = {
    {0x2E80, 0x2FDF}, {0x3005, 0x3007},   {0x3021, 0x3029},   {0x3040, 0x30FF}, {0x3105, 0x312F},
    {0x31A0, 0x31BF}, {0x31F0, 0x31FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF}, {0xA000, 0xA4CF},
    {0xF900, 0xFAFF}, {0x1AFF0, 0x1B16F}, {0x20000, 0x3FFFF},
};
static const range syllables[] = {
    {0x0E00, 0x0EFF}, {0x0F00, 0x0FFF}, {0x1000, 0x109F}, {0x1780, 0x17FF},
    {0x1950, 0x19DF}, {0xA9E0, 0xA9FF}, {0xAA60, 0xAA7F},
};
/* Marks that may be left out in writing: words with and without them are the same. */
static const range accents[] = {
    {0x0300, 0x036F}, {0x0483, 0x0487}, {0x0591, 0x05C7}, {0x0610, 0x061A}, {0x0640, 0x0640},
    {0x064B, 0x065F}, {0x0670, 0x0670}, {0x06D6, 0x06ED}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
    {0x20D0, 0x20FF}, {0x3099, 0x309A}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0x1F3FB, 0x1F3FF},
};

static sort sort_of_ascii(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
        return SORT_LETTER;
    }
    switch (c) {
    case '\'':
    case '`': return SORT_NOTHING;
    case '-':
    case '/':
    case '.':
    case '_': return SORT_JOINER;
    default: return SORT_SPACE;
    }
}

static sort sort_of(uint32_t c)
{
    if (c < 0x80) {
        return sort_of_ascii(c);
    }
    if (IN(c, accents) || c == 0x2019 || c == 0x2018 || c == 0x02BC) {
        return SORT_NOTHING;
    }
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return IN(c, ideographs) ? SORT_IDEOGRAPH : IN(c, syllables) ? SORT_SYLLABLE : SORT_LETTER;
    case UTF8PROC_CATEGORY_SO:
    case UTF8PROC_CATEGORY_SC: return SORT_SYMBOL;
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_ME: return SORT_NOTHING;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PC: return SORT_JOINER;
    default: return SORT_SPACE;
    }
}

/* is_mark_of_trade tells whether folding turns the character into letters, such as "TM", which
 * would change the word before. */
static bool is_mark_of_trade(uint32_t c)
{
    return c == 0x2122 || c == 0x2120 || c == 0xAE || c == 0xA9;
}

/* fold writes the folded form of a character, at most FOLDED_MAX characters, and returns their
 * number. */
static size_t fold(uint32_t c, utf8proc_int32_t *out)
{
    if (c < 0x80) {
        out[0] = (utf8proc_int32_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        return 1;
    }
    int boundary = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(
        (utf8proc_int32_t)c, out, FOLDED_MAX,
        UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD, &boundary);
    return count > 0 && count <= FOLDED_MAX ? (size_t)count : 0;
}

uint64_t tokens_hash(const uint32_t *characters, size_t count, uint64_t seed)
{
    uint64_t hash = rng_hash(seed);
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ characters[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return rng_hash(hash);
}

/* The current word or run, and the words that joiners connect it to. */
typedef struct reader {
    token_fn each;
    void *ctx;
    unsigned version;
    size_t told;
    sort sort;  /* class of the run; SORT_SPACE if there is none */
    bool glued; /* a character of the run is of a script with rules of its own */
    size_t count;
    uint32_t run[TOKEN_CHARACTERS_MAX];
    size_t joined_count, joined_words;
    uint32_t joined[2 * TOKEN_CHARACTERS_MAX];
    bool joining; /* a joiner directly followed the last word */
} reader;

static void tell(reader *r, token_kind kind, const uint32_t *characters, size_t count)
{
    token t = {kind, tokens_hash(characters, count, SEED_TOKEN), characters, count};
    if (r->told < TOKENS_MAX) {
        r->told++;
        r->each(r->ctx, &t);
    }
}

static void end_joined(reader *r)
{
    if (r->joined_words > 1) {
        tell(r, TOKEN_JOINED, r->joined, r->joined_count);
    }
    r->joined_count = r->joined_words = 0;
    r->joining = false;
}

static void tell_run(reader *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->sort == SORT_IDEOGRAPH || r->count == 1) {
            tell(r, TOKEN_GRAM, r->run + i, 1);
        }
        if (i + 1 < r->count) {
            tell(r, TOKEN_GRAM, r->run + i, 2);
        }
        if (i + 2 < r->count && r->sort == SORT_SYLLABLE) {
            tell(r, TOKEN_GRAM, r->run + i, 3);
        }
    }
    if (r->count > 2 && r->count <= TOKEN_RUN_WHOLE_MAX) {
        tell(r, TOKEN_GRAM, r->run, r->count);
    }
}

/* Hangul is decomposed: a syllable begins with a leading consonant, and the rest follows. */
static bool begins_syllable(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115F) || (c >= 0xA960 && c <= 0xA97C);
}

static bool is_hangul(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x11FF) || (c >= 0xA960 && c <= 0xA97F) ||
           (c >= 0xD7B0 && c <= 0xD7FF);
}

/* tell_syllables tells the pairs of syllables of a word, unless a pair is the whole word. */
static void tell_syllables(reader *r)
{
    size_t before = r->count, last = r->count; /* where the last two syllables begin */
    for (size_t i = 0; i <= r->count; i++) {
        bool inside = i < r->count && is_hangul(r->run[i]);
        if (inside && !begins_syllable(r->run[i])) {
            continue;
        }
        if (before < i && i - before < r->count) {
            tell(r, TOKEN_GRAM, r->run + before, i - before);
        }
        before = inside ? last : r->count;
        last = inside ? i : r->count;
    }
}

static void end_run(reader *r)
{
    if (r->sort == SORT_LETTER) {
        if (!r->joining) {
            end_joined(r);
        }
        if (r->glued) {
            r->count = arabic_stem(r->run, r->count);
        }
        tell(r, TOKEN_WORD, r->run, r->count);
        if (r->glued) {
            tell_syllables(r);
        }
        for (size_t i = 0; i < r->count && r->joined_count < 2 * TOKEN_CHARACTERS_MAX; i++) {
            r->joined[r->joined_count++] = r->run[i];
        }
        r->joined_words++;
    } else if (r->sort == SORT_IDEOGRAPH || r->sort == SORT_SYLLABLE) {
        end_joined(r);
        tell_run(r);
    }
    r->sort = SORT_SPACE;
    r->count = 0;
    r->joining = r->glued = false;
}

static void take(reader *r, uint32_t c)
{
    sort s = sort_of(c);
    if (s == SORT_NOTHING) {
        return;
    }
    bool runs = s == SORT_LETTER || s == SORT_IDEOGRAPH || s == SORT_SYLLABLE;
    if (r->sort != SORT_SPACE && s != r->sort) {
        end_run(r);
    }
    if (runs) {
        if (r->count == TOKEN_CHARACTERS_MAX && s != SORT_LETTER) {
            end_run(r);
        }
        r->sort = s;
        if (r->version > 1 && c >= GLUED_FIRST) {
            r->glued = true;
            c = arabic_letter(c);
        }
        if (r->count < TOKEN_CHARACTERS_MAX) {
            r->run[r->count++] = c;
        }
    } else if (s == SORT_JOINER) {
        if (r->joining) {
            end_joined(r);
        } else {
            r->joining = r->joined_words > 0;
        }
    } else {
        end_joined(r);
        if (s == SORT_SYMBOL) {
            tell(r, TOKEN_WORD, &c, 1);
        }
    }
}

void tokens_each(slice text, unsigned version, token_fn each, void *ctx)
{
    reader r;
    r.each = each;
    r.ctx = ctx;
    r.version = version;
    r.told = r.count = r.joined_count = r.joined_words = 0;
    r.sort = SORT_SPACE;
    r.joining = r.glued = false;
    markup from = markup_of(text);
    uint32_t c = 0;
    while (r.told < TOKENS_MAX && markup_next(&from, &c)) {
        utf8proc_int32_t folded[FOLDED_MAX];
        size_t count = fold(is_mark_of_trade(c) ? ' ' : c, folded);
        for (size_t i = 0; i < count; i++) {
            take(&r, (uint32_t)folded[i]);
        }
    }
    end_run(&r);
    end_joined(&r);
}
