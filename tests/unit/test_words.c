/* SPDX-License-Identifier: Apache-2.0 */
/* Texts: the tokens of the tokenizer, and vectors whose neighbours make sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs the four headers before it */
#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/words/arabic.h"
#include "core/words/tokens.h"
#include "core/words/words_fit.h"

/* --- tokens --- */

enum { HASHES_MAX = 64 };

typedef struct hashes {
    uint64_t all[HASHES_MAX];
    size_t count;
} hashes;

static void keep_hash(void *ctx, const token *t)
{
    hashes *h = ctx;
    if (h->count < HASHES_MAX) {
        h->all[h->count++] = t->hash;
    }
}

static void add_up(void *ctx, const token *t)
{
    uint64_t *sum = ctx;
    *sum = (*sum ^ t->hash) * UINT64_C(0x9E3779B97F4A7C15);
    *sum ^= *sum >> 29;
    *sum += (uint64_t)t->kind + t->count;
}

static hashes hashes_by(unsigned version, const char *text)
{
    hashes h = {.count = 0};
    tokens_each(slice_of(text), version, keep_hash, &h);
    return h;
}

static hashes hashes_of(const char *text)
{
    return hashes_by(TOKENS_VERSION, text);
}

static void assert_same(const char *one, const char *other)
{
    hashes a = hashes_of(one), b = hashes_of(other);
    if (a.count != b.count || memcmp(a.all, b.all, a.count * sizeof a.all[0]) != 0) {
        fail_msg("\"%s\" has %zu tokens, \"%s\" has %zu, or they differ", one, a.count, other,
                 b.count);
    }
}

static void assert_tokens(const char *text, size_t count)
{
    if (hashes_of(text).count != count) {
        fail_msg("\"%s\" has %zu tokens, not %zu", text, hashes_of(text).count, count);
    }
}

static void assert_shares(const char *text, const char *word)
{
    hashes a = hashes_of(text), b = hashes_of(word);
    assert_int_equal(b.count, 1);
    for (size_t i = 0; i < a.count; i++) {
        if (a.all[i] == b.all[0]) {
            return;
        }
    }
    fail_msg("\"%s\" does not hold \"%s\"", text, word);
}

static void spellings_of_a_word_are_one(void **state)
{
    (void)state;
    assert_same("Winter JACKET", "winter jacket");
    assert_same("Caf\xC3\xA9", "cafe\xCC\x81"); /* composed, decomposed */
    assert_same("stra\xC3\x9F"
                "e",
                "STRASSE");
    assert_same("\xEF\xBC\xA1\xEF\xBC\xA2\xEF\xBC\x91", "ab1"); /* full width */
    assert_same("men's", "mens");
    assert_same("men\xE2\x80\x99s", "mens");
    assert_same("\xD0\x81\xD0\xB6", "\xD0\xB5\xD0\xB6"); /* Cyrillic yo, ye */
    assert_same("\xD9\x83\xD9\x90\xD8\xAA\xD8\xA7\xD8\xA8", "\xD9\x83\xD8\xAA\xD8\xA7\xD8\xA8");
    assert_same("Nike\xE2\x84\xA2 Air", "nike air");
}

static void markup_is_no_text(void **state)
{
    (void)state;
    assert_same("<p class=\"a\">Warm <b>winter</b><br/>jacket</p>", "warm winter jacket");
    assert_same("a<!-- not this --> b", "a b");
    assert_same("<script>var x = 1;</script>red<style>p{}</style>", "red");
    assert_same("Fish &amp; Chips &#38; Caf&eacute;&nbsp;&#x41;", "fish chips cafe a");
    assert_same("fish &unknown; chips", "fish unknown chips");
    assert_same("2 < 3", "2 3");
    assert_same("<", "");
    assert_same("<script", "script");
    assert_same("<scripture>red</scripture> <style-guide>hat", "red hat");
    assert_same("caf&amp;eacute; &amp;amp;nbsp;&amp;#8217;s AT&amp;T; &amp;amp;", "cafe s at t");
    assert_same("&", "");
    assert_same("&#xFFFFFFFFF;x", "x");
}

static void codes_are_found_by_their_parts(void **state)
{
    (void)state;
    assert_tokens("AB-1234/5", 4);
    assert_shares("AB-1234/5", "1234");
    assert_shares("AB-1234/5", "ab12345");
    assert_shares("t-shirt", "tshirt");
    assert_shares("warm,winter;jacket", "winter");
    assert_tokens("well -- then", 2);
}

static void scripts_without_spaces_are_cut(void **state)
{
    (void)state;
    assert_shares("\xE5\x86\xAC\xE5\xAD\xA3\xE5\xA4\xB9\xE5\x85\x8B", /* winter jacket */
                  "\xE5\x86\xAC");
    assert_tokens("\xE5\x86\xAC\xE5\xAD\xA3", 3);     /* two characters and their pair */
    assert_tokens("\xF0\x9F\x8E\xA7\xEF\xB8\x8F", 1); /* an emoji with a variation selector */
    assert_tokens("", 0);
    assert_tokens("\xFF\xFE\x80", 0);
}

static void glued_words_share_a_token_with_their_parts(void **state)
{
    (void)state;
    assert_same("\xD8\xA7\xD9\x84\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9",
                "\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9");
    assert_same("\xD9\x88\xD8\xA7\xD9\x84\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9",
                "\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9");
    assert_same("\xD8\xA8\xD8\xA7\xD9\x84\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9",
                "\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9");
    assert_same("\xD9\x84\xD9\x84\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9",
                "\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9");
    assert_same("\xD9\x88\xD8\xA8\xD8\xA7\xD9\x84\xD8\xAC\xD9\x84\xD8\xAF",
                "\xD8\xAC\xD9\x84\xD8\xAF");
    assert_same("\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA7\xD8\xAA", "\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9");
    assert_same("\xD8\xB4\xD8\xAA\xD9\x88\xD9\x8A", "\xD8\xB4\xD8\xAA\xD9\x88\xD9\x8A\xD8\xA9");
    assert_same("\xDA\xA9\xD8\xAA\xD8\xA7\xD8\xA8\xDB\x8C",
                "\xD9\x83\xD8\xAA\xD8\xA7\xD8\xA8\xD9\x8A");
    assert_same("\xD8\xA7\xD9\x84\xD9\x88\xD8\xB3\xD8\xA7\xD8\xAF\xD8\xA9",
                "\xD9\x88\xD8\xB3\xD8\xA7\xD8\xAF\xD8\xA9");
    assert_shares("\xEA\xB2\xA8\xEC\x9A\xB8\xEC\x9E\x90\xEC\xBC\x93\xEC\x9D\x84",
                  "\xEA\xB2\xA8\xEC\x9A\xB8");
    assert_shares("\xEA\xB2\xA8\xEC\x9A\xB8\xEC\x9E\x90\xEC\xBC\x93\xEC\x9D\x84",
                  "\xEC\x9E\x90\xEC\xBC\x93");
    assert_shares("\xEB\xB0\xA9\xEC\x88\x98\xEC\x9E\x90\xEC\xBC\x93", "\xEB\xB0\xA9\xEC\x88\x98");
    assert_shares("2\xEC\x9D\xB8\xEC\x9A\xA9\xED\x85\x90\xED\x8A\xB8", "\xED\x85\x90\xED\x8A\xB8");
    assert_tokens("\xEC\x9E\x90\xEC\xBC\x93", 1); /* one pair of syllables is the word itself */
    assert_tokens("\xEB\xB0\xA9\xEC\x88\x98 \xEC\x9E\x90\xEC\xBC\x93", 2);
    assert_tokens("LG\xEC\xA0\x84\xEC\x9E\x90", 1 + 1); /* the word and the pair of syllables */
}

/* draw_word draws a word of Arabic letters. */
static size_t draw_word(rng *r, uint32_t *word)
{
    size_t count = 3 + rng_below(r, 10);
    for (size_t i = 0; i < count; i++) {
        word[i] = 0x627 + (uint32_t)rng_below(r, 8) * 5; /* alef, teh, ..., so affixes are common */
        word[i] = rng_below(r, 2) == 0 ? 0x641 + (uint32_t)rng_below(r, 10) : word[i];
    }
    return count;
}

static void an_article_changes_no_stem(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 5, 0);
    for (int round = 0; round < 20000; round++) {
        uint32_t word[16], with[16];
        size_t count = draw_word(&r, word);
        with[0] = 0x627;
        with[1] = 0x644;
        memcpy(with + 2, word, count * sizeof *word);
        size_t longer = arabic_stem(with, count + 2), stem = arabic_stem(word, count);
        assert_int_equal(longer, stem);
        assert_memory_equal(with, word, stem * sizeof *word);
        assert_true(stem >= 2);
    }
}

/* An older generation keeps its terms. The sum was computed before there was a second version. */
static void the_first_version_of_the_tokenizer_does_not_change(void **state)
{
    (void)state;
    uint64_t sum = 0;
    const char *text =
        "Winter jackets, caf\xC3\xA9 AB-1234/5 <b>t-shirt</b> \xE2\x84\xA2 \xF0\x9F\x8E\xBE 2nd "
        "\xD8\xA7\xD9\x84\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9 "
        "\xD9\x88\xD8\xA8\xD8\xA7\xD9\x84\xD8\xAC\xD9\x84\xD8\xAF \xDA\xA9\xD8\xAA\xD8\xA7\xD8\xA8 "
        "\xEA\xB2\xA8\xEC\x9A\xB8\xEC\x9E\x90\xEC\xBC\x93\xEC\x9D\x84 \xEB\xB0\xA9\xEC\x88\x98 "
        "\xE5\x86\xAC\xE5\xAD\xA3\xE5\xA4\xB9\xE5\x85\x8B "
        "\xE0\xB9\x80\xE0\xB8\xAA\xE0\xB8\xB7\xE0\xB9\x89\xE0\xB8\xAD";
    tokens_each(slice_of(text), 1, add_up, &sum);
    assert_true(sum == UINT64_C(0xc1762cf45f687c0a));
    sum = 0;
    tokens_each(slice_of(text), 2, add_up, &sum);
    assert_true(sum != UINT64_C(0xc1762cf45f687c0a));
}

/* The table of terms grows with the item; each term is kept once, in the order of the text. */
static void a_bag_holds_each_term_once(void **state)
{
    (void)state;
    enum { DISTINCT = 2000, TWICE = 2 * DISTINCT, ROOM = 16 };
    bag *b = NULL;
    char *text = mem_array(TWICE, ROOM);
    size_t used = 0;
    assert_non_null(text);
    assert_int_equal(bag_new(&b, NULL), ERR_OK);
    for (size_t i = 0; i < TWICE; i++) {
        used += (size_t)snprintf(text + used, ROOM, "w%zu, ", i % DISTINCT);
    }
    for (size_t words = 3; words <= TWICE; words += words < 600 ? 1 : 997) {
        words_document d = {.description = {text, 0}};
        size_t seen = 0, count = 0;
        while (seen < words) {
            seen += text[d.description.length++] == ',';
        }
        bag_fill(b, &d, &(bag_options){.tokens = TOKENS_VERSION});
        const bag_term *terms = bag_terms(b, &count);
        size_t distinct = words < DISTINCT ? words : DISTINCT;
        size_t pairs = words <= DISTINCT ? words - 1 : DISTINCT; /* the last and the first word */
        assert_int_equal(count, distinct + pairs);
        float sum = 0;
        for (size_t i = 0; i < count; i++) {
            sum += terms[i].kind == BAG_WORD ? terms[i].frequency : 0;
        }
        assert_int_equal((size_t)sum, words);
    }
    bag_free(b);
    mem_free(text);
}

/* --- fitting --- */

typedef struct catalogue {
    const words_document *documents;
    size_t count;
} catalogue;

static err_code each(void *ctx, words_visit visit, void *visit_ctx, err *e)
{
    const catalogue *c = ctx;
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < c->count; i++) {
        code = visit(visit_ctx, &c->documents[i], e);
    }
    return code;
}

static word_space *fit(const words_document *documents, size_t count, int threads)
{
    err e = ERR_INIT;
    word_space *w = NULL;
    catalogue c = {documents, count};
    words_source source = {each, &c};
    words_fit_options o = {.threads = threads};
    if (words_fit(&w, &source, &o, &e) != ERR_OK) {
        fail_msg("%s", e.text);
    }
    return w;
}

static size_t encode(const word_space *w, const words_document *d, float *out)
{
    err e = ERR_INIT;
    words_scratch *s = NULL;
    assert_int_equal(words_scratch_new(&s, &e), ERR_OK);
    size_t known = words_encode(w, d, s, out);
    words_scratch_free(s);
    return known;
}

static float cosine(const word_space *w, const char *one, const char *other)
{
    float a[WORDS_WIDTH], b[WORDS_WIDTH], sum = 0;
    assert_true(encode(w, &(words_document){.title = slice_of(one)}, a) > 0);
    assert_true(encode(w, &(words_document){.title = slice_of(other)}, b) > 0);
    for (size_t j = 0; j < WORDS_WIDTH; j++) {
        sum += a[j] * b[j];
    }
    return sum;
}

/* Families of goods in six scripts: the nearest item of a member is in its family. */
static const char *const families[][4] = {
    {"warm winter jacket", "winter jacket for men", "padded winter coat, jacket",
     "ski jacket winter"},
    {"wireless headphones bluetooth", "bluetooth over-ear headphones", "headphones with cable",
     "noise cancelling headphones wireless"},
    {"\xD0\xB7\xD0\xB8\xD0\xBC\xD0\xBD\xD1\x8F\xD1\x8F "
     "\xD0\xBA\xD1\x83\xD1\x80\xD1\x82\xD0\xBA\xD0\xB0",
     "\xD0\xBA\xD1\x83\xD1\x80\xD1\x82\xD0\xBA\xD0\xB0 "
     "\xD0\xBC\xD1\x83\xD0\xB6\xD1\x81\xD0\xBA\xD0\xB0\xD1\x8F",
     "\xD1\x82\xD1\x91\xD0\xBF\xD0\xBB\xD0\xB0\xD1\x8F "
     "\xD0\xBA\xD1\x83\xD1\x80\xD1\x82\xD0\xBA\xD0\xB0",
     "\xD0\xBA\xD1\x83\xD1\x80\xD1\x82\xD0\xBA\xD0\xB0 "
     "\xD0\xB7\xD0\xB8\xD0\xBC\xD0\xBD\xD1\x8F\xD1\x8F "
     "\xD1\x82\xD1\x91\xD0\xBF\xD0\xBB\xD0\xB0\xD1\x8F"},
    {"\xE5\x86\xAC\xE5\xAD\xA3\xE4\xBF\x9D\xE6\x9A\x96\xE5\xA4\xB9\xE5\x85\x8B",
     "\xE7\x94\xB7\xE5\xA3\xAB\xE5\x86\xAC\xE5\xAD\xA3\xE5\xA4\xB9\xE5\x85\x8B",
     "\xE4\xBF\x9D\xE6\x9A\x96\xE5\xA4\xB9\xE5\x85\x8B",
     "\xE5\x86\xAC\xE5\xAD\xA3\xE5\xA4\x96\xE5\xA5\x97\xE5\xA4\xB9\xE5\x85\x8B"},
    {"\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9 \xD8\xB4\xD8\xAA\xD9\x88\xD9\x8A\xD8\xA9",
     "\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9 \xD8\xB1\xD8\xAC\xD8\xA7\xD9\x84\xD9\x8A\xD8\xA9",
     "\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9 \xD8\xAF\xD8\xA7\xD9\x81\xD8\xA6\xD8\xA9",
     "\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9 \xD8\xAF\xD8\xA7\xD9\x81\xD8\xA6\xD8\xA9 "
     "\xD8\xB4\xD8\xAA\xD9\x88\xD9\x8A\xD8\xA9"},
    {"\xD8\xAE\xD9\x8A\xD9\x85\xD8\xA9 \xD8\xAA\xD8\xAE\xD9\x8A\xD9\x8A\xD9\x85",
     "\xD8\xAE\xD9\x8A\xD9\x85\xD8\xA9 \xD9\x84\xD8\xB4\xD8\xAE\xD8\xB5\xD9\x8A\xD9\x86",
     "\xD8\xA7\xD9\x84\xD8\xAE\xD9\x8A\xD9\x85\xD8\xA9 "
     "\xD8\xA7\xD9\x84\xD8\xB9\xD8\xA7\xD8\xA6\xD9\x84\xD9\x8A\xD8\xA9",
     "\xD8\xAE\xD9\x8A\xD9\x85\xD8\xA9 \xD8\xB9\xD8\xA7\xD8\xA6\xD9\x84\xD9\x8A\xD8\xA9 "
     "\xD9\x84\xD9\x84\xD8\xAA\xD8\xAE\xD9\x8A\xD9\x8A\xD9\x85"},
    {"\xEA\xB2\xA8\xEC\x9A\xB8 \xED\x8C\xA8\xEB\x94\xA9 \xEC\x9E\x90\xEC\xBC\x93",
     "\xEB\x82\xA8\xEC\x84\xB1 \xEA\xB2\xA8\xEC\x9A\xB8\xEC\x9E\x90\xEC\xBC\x93",
     "\xEB\xB0\xA9\xEC\x88\x98 \xEC\x9E\x90\xEC\xBC\x93",
     "\xEC\x97\xAC\xEC\x84\xB1 \xED\x8C\xA8\xEB\x94\xA9\xEC\x9E\x90\xEC\xBC\x93"},
    {"\xEC\xBA\xA0\xED\x95\x91 \xED\x85\x90\xED\x8A\xB8",
     "2\xEC\x9D\xB8\xEC\x9A\xA9 \xED\x85\x90\xED\x8A\xB8",
     "\xEB\x8C\x80\xED\x98\x95 \xED\x85\x90\xED\x8A\xB8 \xEC\xBA\xA0\xED\x95\x91\xEC\x9A\xA9",
     "\xEA\xB0\x80\xEC\xA1\xB1\xEC\x9A\xA9 \xEC\xBA\xA0\xED\x95\x91\xED\x85\x90\xED\x8A\xB8"},
    {"\xE0\xB9\x80\xE0\xB8\xAA\xE0\xB8\xB7\xE0\xB9\x89\xE0\xB8\xAD\xE0\xB8\x81\xE0\xB8\xB1\xE0\xB8"
     "\x99\xE0\xB8\xAB\xE0\xB8\x99\xE0\xB8\xB2\xE0\xB8\xA7",
     "\xE0\xB9\x80\xE0\xB8\xAA\xE0\xB8\xB7\xE0\xB9\x89\xE0\xB8\xAD\xE0\xB8\x81\xE0\xB8\xB1\xE0\xB8"
     "\x99\xE0\xB8\xAB\xE0\xB8\x99\xE0\xB8\xB2\xE0\xB8\xA7\xE0\xB8\x9C\xE0\xB8\xB9\xE0\xB9\x89\xE0"
     "\xB8\x8A\xE0\xB8\xB2\xE0\xB8\xA2",
     "\xE0\xB9\x80\xE0\xB8\xAA\xE0\xB8\xB7\xE0\xB9\x89\xE0\xB8\xAD\xE0\xB9\x81\xE0\xB8\x88\xE0\xB9"
     "\x87\xE0\xB8\x84\xE0\xB9\x80\xE0\xB8\x81\xE0\xB9\x87\xE0\xB8\x95\xE0\xB8\x81\xE0\xB8\xB1\xE0"
     "\xB8\x99\xE0\xB8\xAB\xE0\xB8\x99\xE0\xB8\xB2\xE0\xB8\xA7",
     "\xE0\xB9\x81\xE0\xB8\x88\xE0\xB9\x87\xE0\xB8\x84\xE0\xB9\x80\xE0\xB8\x81\xE0\xB9\x87\xE0\xB8"
     "\x95\xE0\xB8\x81\xE0\xB8\xB1\xE0\xB8\x99\xE0\xB8\xAB\xE0\xB8\x99\xE0\xB8\xB2\xE0\xB8\xA7\xE0"
     "\xB8\x9C\xE0\xB8\xB9\xE0\xB9\x89\xE0\xB8\xAB\xE0\xB8\x8D\xE0\xB8\xB4\xE0\xB8\x87"},
    {"charger AB-1234/5", "AB-1234/5 original charger", "spare part AB-1234/5",
     "charger for AB-1234"},
};
enum { FAMILIES = sizeof families / sizeof families[0], MEMBERS = 4 };

static word_space *fit_families(int threads)
{
    words_document documents[FAMILIES * MEMBERS] = {0};
    for (size_t i = 0; i < FAMILIES * MEMBERS; i++) {
        documents[i].title = slice_of(families[i / MEMBERS][i % MEMBERS]);
    }
    return fit(documents, FAMILIES * MEMBERS, threads);
}

static void neighbours_are_of_the_family(void **state)
{
    (void)state;
    word_space *w = fit_families(1);
    for (size_t f = 0; f < FAMILIES; f++) {
        for (size_t m = 0; m < MEMBERS; m++) {
            float mean[FAMILIES] = {0}, nearest = -1;
            size_t nearest_family = FAMILIES;
            for (size_t i = 0; i < FAMILIES * MEMBERS; i++) {
                if (i == f * MEMBERS + m) {
                    continue;
                }
                float c = cosine(w, families[f][m], families[i / MEMBERS][i % MEMBERS]);
                mean[i / MEMBERS] += c / (i / MEMBERS == f ? MEMBERS - 1 : MEMBERS);
                nearest_family = c > nearest ? i / MEMBERS : nearest_family;
                nearest = c > nearest ? c : nearest;
            }
            assert_int_equal(nearest_family, f);
            for (size_t other = 0; other < FAMILIES; other++) {
                if (other != f && mean[other] > mean[f] / 2) {
                    fail_msg("\"%s\": %g to its family, %g to family %zu", families[f][m],
                             (double)mean[f], (double)mean[other], other);
                }
            }
        }
    }
    words_free(w);
}

static void a_glued_form_that_no_item_has_is_near_its_family(void **state)
{
    (void)state;
    static const struct {
        const char *title;
        size_t family;
    } cases[] = {
        {"\xD9\x88\xD8\xA7\xD9\x84\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA7\xD8\xAA", 4},
        {"\xD8\xA8\xD8\xA7\xD9\x84\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9 "
         "\xD8\xA7\xD9\x84\xD8\xAF\xD8\xA7\xD9\x81\xD8\xA6\xD8\xA9",
         4},
        {"\xD9\x88\xD9\x84\xD9\x84\xD8\xAE\xD9\x8A\xD9\x85\xD8\xA9", 5},
        {"\xD9\x88\xD8\xA7\xD9\x84\xD8\xB9\xD8\xA7\xD8\xA6\xD9\x84\xD9\x8A\xD8\xA9", 5},
        {"\xEC\x9E\x90\xEC\xBC\x93\xEC\x9D\x84", 6},
        {"\xED\x8C\xA8\xEB\x94\xA9\xEC\x9E\x90\xEC\xBC\x93\xEC\x9D\xB4", 6},
        {"\xED\x85\x90\xED\x8A\xB8\xEC\x97\x90", 7},
        {"\xEC\xBA\xA0\xED\x95\x91\xEC\x9A\xA9\xED\x85\x90\xED\x8A\xB8", 7},
    };
    word_space *w = fit_families(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float own = 0, others = 0;
        for (size_t m = 0; m < FAMILIES * MEMBERS; m++) {
            float c = cosine(w, cases[i].title, families[m / MEMBERS][m % MEMBERS]);
            own = m / MEMBERS == cases[i].family && c > own ? c : own;
            others = m / MEMBERS != cases[i].family && c > others ? c : others;
        }
        if (own < 0.3F || others > own / 2) {
            fail_msg("\"%s\": %g to its family, %g to another", cases[i].title, (double)own,
                     (double)others);
        }
    }
    words_free(w);
}

static void a_vocabulary_keeps_its_version_of_the_tokenizer(void **state)
{
    (void)state;
    err e = ERR_INIT;
    word_space *w = NULL, *again = NULL;
    words_document catalogue_of_one = {
        .title =
            slice_of("\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9 \xD8\xB4\xD8\xAA\xD9\x88\xD9\x8A\xD8\xA9")};
    words_document glued = {.title = slice_of("\xD8\xA7\xD9\x84\xD8\xB3\xD8\xAA\xD8\xB1\xD8\xA9")};
    catalogue c = {&catalogue_of_one, 1};
    words_source source = {each, &c};
    float x[WORDS_WIDTH];
    for (unsigned version = 1; version <= TOKENS_VERSION; version++) {
        size_t bytes = 0;
        words_fit_options o = {.threads = 1, .tokens = version};
        assert_int_equal(words_fit(&w, &source, &o, &e), ERR_OK);
        const char *from = words_bytes(w, &bytes);
        assert_int_equal(words_open(&again, mem_copy(from, bytes), bytes, &e), ERR_OK);
        assert_int_equal(encode(again, &glued, x) > 0, version > 1);
        assert_true(encode(again, &catalogue_of_one, x) > 0);
        words_free(again);
        words_free(w);
    }
}

static void the_fit_does_not_depend_on_threads(void **state)
{
    (void)state;
    word_space *one = fit_families(1), *other = fit_families(3);
    size_t bytes = 0, more = 0;
    const void *a = words_bytes(one, &bytes), *b = words_bytes(other, &more);
    assert_int_equal(bytes, more);
    assert_memory_equal(a, b, bytes);
    words_free(one);
    words_free(other);
}

static void every_field_counts(void **state)
{
    (void)state;
    word_space *w = fit_families(1);
    float x[WORDS_WIDTH];
    slice category = slice_of("headphones");
    attribute brand = {
        .name = slice_of("kind"), .kind = ATTRIBUTE_TEXT, .text = slice_of("jacket")};
    attribute price = {.name = slice_of("price"), .kind = ATTRIBUTE_NUMBER, .number = 5};
    assert_true(encode(w, &(words_document){.description = slice_of("<b>jacket</b>")}, x) > 0);
    assert_true(encode(w, &(words_document){.categories = &category, .category_count = 1}, x) > 0);
    assert_true(encode(w, &(words_document){.attributes = &brand, .attribute_count = 1}, x) > 0);
    assert_int_equal(encode(w, &(words_document){.attributes = &price, .attribute_count = 1}, x),
                     0);
    assert_int_equal(encode(w, &(words_document){.title = slice_of("zzz")}, x), 0);
    for (size_t j = 0; j < WORDS_WIDTH; j++) {
        assert_true(x[j] == 0);
    }
    words_free(w);
}

static void bytes_are_read_back_and_damage_is_found(void **state)
{
    (void)state;
    err e = ERR_INIT;
    word_space *w = fit_families(1), *again = NULL;
    size_t bytes = 0;
    const char *from = words_bytes(w, &bytes);
    assert_int_equal(words_open(&again, mem_copy(from, bytes), bytes, &e), ERR_OK);
    float a[WORDS_WIDTH], b[WORDS_WIDTH];
    words_document d = {.title = slice_of("warm jacket")};
    assert_int_equal(encode(w, &d, a), encode(again, &d, b));
    assert_memory_equal(a, b, sizeof a);
    words_free(again);
    char *damaged = mem_copy(from, bytes);
    damaged[8] = (char)(damaged[8] + 1); /* the number of terms */
    assert_int_equal(words_open(&again, damaged, bytes, &e), ERR_CORRUPT);
    e = (err)ERR_INIT;
    assert_int_equal(words_open(&again, mem_copy(from, bytes), bytes - 1, &e), ERR_CORRUPT);
    e = (err)ERR_INIT;
    assert_int_equal(words_open(&again, mem_copy(from, 10), 10, &e), ERR_CORRUPT);
    words_free(w);
}

/* Ten thousand equal titles leave one direction, which is enough to find them. */
static void equal_titles_are_one_direction(void **state)
{
    (void)state;
    enum { EQUAL = 10000 };
    words_document *documents = mem_array(EQUAL + 1, sizeof *documents);
    assert_non_null(documents);
    for (size_t i = 0; i < EQUAL; i++) {
        documents[i].title = slice_of("the same thing");
    }
    documents[EQUAL].title = slice_of("something else entirely");
    word_space *w = fit(documents, EQUAL + 1, 2);
    assert_true(cosine(w, "the same thing", "same thing") > 0.9F);
    assert_true(cosine(w, "the same thing", "something else entirely") < 0.1F);
    words_free(w);
    mem_free(documents);
}

static void nothing_to_fit_is_no_vocabulary(void **state)
{
    (void)state;
    words_document documents[3] = {{.title = slice_of("")}, {.title = slice_of("<br>")}};
    assert_null(fit(documents, 3, 1));
    assert_null(fit(documents, 0, 1));
}

static void long_and_odd_texts_are_encoded(void **state)
{
    (void)state;
    enum { LONG = 64 * 1024 };
    char *text = mem_array(LONG, 1);
    assert_non_null(text);
    for (size_t i = 0; i < LONG; i++) {
        text[i] = (char)(i * 7919 >> 3); /* includes NUL, "<" and bytes that are not UTF-8 */
    }
    words_document documents[2] = {{.description = {text, LONG}}, {.title = slice_of("a jacket")}};
    word_space *w = fit(documents, 2, 1);
    float x[WORDS_WIDTH], y[WORDS_WIDTH];
    assert_true(encode(w, &documents[0], x) > 0);
    assert_true(encode(w, &documents[0], y) > 0);
    assert_memory_equal(x, y, sizeof x);
    words_free(w);
    mem_free(text);
}

static void the_vocabulary_keeps_to_its_bytes(void **state)
{
    (void)state;
    enum { ITEMS = 300, ROOM = 1 << 20 };
    err e = ERR_INIT;
    char(*titles)[64] = mem_array(ITEMS * 8, sizeof *titles);
    words_document *documents = mem_array(ITEMS * 8, sizeof *documents);
    for (size_t i = 0; i < ITEMS * 8; i++) {
        snprintf(titles[i], sizeof titles[i], "common w%zu v%zu", i, i / 2);
        documents[i].title = slice_of(titles[i]);
    }
    catalogue c = {documents, ITEMS * 8};
    words_source source = {each, &c};
    words_fit_options o = {.bytes_max = ROOM, .threads = 1};
    word_space *w = NULL;
    assert_int_equal(words_fit(&w, &source, &o, &e), ERR_OK);
    assert_true(words_memory(w) <= ROOM);
    assert_true(words_terms(w) > 1000);
    words_free(w);
    mem_free(documents);
    mem_free(titles);
}

static void want_of_memory_is_told(void **state)
{
    (void)state;
    catalogue c;
    words_document documents[2] = {{.title = slice_of("warm jacket")}, {.title = slice_of("cold")}};
    c = (catalogue){documents, 2};
    words_source source = {each, &c};
    words_fit_options o = {.threads = 1};
    err_code code = ERR_NOMEM;
    for (long at = 0; code != ERR_OK; at++) {
        err e = ERR_INIT;
        word_space *w = NULL;
        assert_true(at < 1000);
        mem_fail_at(at);
        code = words_fit(&w, &source, &o, &e);
        mem_fail_at(-1);
        assert_true(code == ERR_OK || code == ERR_NOMEM);
        assert_true((w != NULL) == (code == ERR_OK));
        words_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_of_a_word_are_one),
        cmocka_unit_test(markup_is_no_text),
        cmocka_unit_test(codes_are_found_by_their_parts),
        cmocka_unit_test(scripts_without_spaces_are_cut),
        cmocka_unit_test(glued_words_share_a_token_with_their_parts),
        cmocka_unit_test(an_article_changes_no_stem),
        cmocka_unit_test(a_bag_holds_each_term_once),
        cmocka_unit_test(the_first_version_of_the_tokenizer_does_not_change),
        cmocka_unit_test(neighbours_are_of_the_family),
        cmocka_unit_test(a_glued_form_that_no_item_has_is_near_its_family),
        cmocka_unit_test(a_vocabulary_keeps_its_version_of_the_tokenizer),
        cmocka_unit_test(the_fit_does_not_depend_on_threads),
        cmocka_unit_test(every_field_counts),
        cmocka_unit_test(bytes_are_read_back_and_damage_is_found),
        cmocka_unit_test(equal_titles_are_one_direction),
        cmocka_unit_test(nothing_to_fit_is_no_vocabulary),
        cmocka_unit_test(long_and_odd_texts_are_encoded),
        cmocka_unit_test(the_vocabulary_keeps_to_its_bytes),
        cmocka_unit_test(want_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
