/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_column: packs attribute values into 64-bit words. The header explains the idea.
 *
 * The bits of a double, inverted for negative numbers, are integers in the order of the numbers.
 * COLUMN_BIAS shifts minus infinity to 1. Values above plus infinity are the other kinds, marked by
 * their upper 16 bits: text, bool, list. The low half holds the number of the text or list. The
 * word of a list has 16 bits in between for the traces of its texts.
 */
#include "core/serve/filter/filter_column.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/common/bits.h"

#define COLUMN_BIAS UINT64_C(0x7ff0000000000002)
#define TAG_TEXT    UINT64_C(0xfff9000000000000)
#define TAG_BOOL    UINT64_C(0xfffa000000000000)
#define TAG_TEXTS   UINT64_C(0xfffb000000000000)
#define TAG_WIDTH   UINT64_C(0x0000ffffffffffff)

/* word_of_number gives -0 the word of 0. It tests the bits: the build assumes that there are no
 * signed zeros, so the compiler may drop a comparison of the doubles. */
static uint64_t word_of_number(double number)
{
    const uint64_t sign = UINT64_C(1) << 63;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (bits == sign) {
        bits = 0;
    }
    return (bits >= sign ? bits ^ ~sign : bits) + COLUMN_BIAS;
}

uint64_t column_trace(uint64_t word, uint32_t text)
{
    if ((word & ~TAG_WIDTH) != TAG_TEXTS) {
        return 0;
    }
    return UINT64_C(1) << (32 + (text * UINT32_C(0x9e3779b1) >> 28));
}

err_code column_encode(uint64_t *out, idmap *strings, const attribute *a, err *e)
{
    uint32_t numbers[ATTRIBUTE_TEXTS_MAX];
    uint32_t number = 0;
    err_code code = ERR_OK;
    *out = COLUMN_ABSENT;
    switch (a->kind) {
    case ATTRIBUTE_REMOVED: return ERR_OK;
    case ATTRIBUTE_NUMBER: *out = word_of_number(a->number); return ERR_OK;
    case ATTRIBUTE_BOOL: *out = TAG_BOOL | (a->truth ? 1U : 0U); return ERR_OK;
    case ATTRIBUTE_TEXT:
        code = idmap_intern(&number, strings, a->text, e);
        *out = TAG_TEXT | number;
        return code;
    case ATTRIBUTE_TEXTS: break;
    }
    if (a->text_count > ATTRIBUTE_TEXTS_MAX) {
        return err_set(e, ERR_TOO_LARGE, "an attribute has %u texts, allowed up to %d",
                       a->text_count, ATTRIBUTE_TEXTS_MAX);
    }
    for (uint32_t i = 0; i < a->text_count && code == ERR_OK; i++) {
        code = idmap_intern(&numbers[i], strings, a->texts[i], e);
    }
    if (code == ERR_OK) {
        code = idmap_intern(&number, strings,
                            (slice){(const char *)numbers, a->text_count * sizeof numbers[0]}, e);
    }
    *out = TAG_TEXTS | number;
    return code;
}

/* value_of_truth returns numbers that are larger than that of any text: strings are numbered from
 * 0, and ROW_NONE means none. */
static uint32_t value_of_truth(bool truth)
{
    return truth ? ROW_NONE - 1 : ROW_NONE - 2;
}

size_t column_values(uint64_t word, const idmap *strings, uint32_t out[ATTRIBUTE_TEXTS_MAX])
{
    switch (word & ~TAG_WIDTH) {
    case TAG_TEXT: out[0] = (uint32_t)word; return 1;
    case TAG_BOOL: out[0] = value_of_truth((word & 1) != 0); return 1;
    case TAG_TEXTS: break;
    default: return 0;
    }
    slice list = idmap_id(strings, (uint32_t)word);
    assert(list.length <= ATTRIBUTE_TEXTS_MAX * sizeof out[0]);
    if (list.length > 0) {
        memcpy(out, list.at, list.length);
    }
    return list.length / sizeof out[0];
}

/* number_test is exact for every bound, because there is no word between a double and the next
 * one. */
static void number_test(const filter_attribute *condition, column_test *test)
{
    if (isnan(condition->low) || isnan(condition->high)) {
        return;
    }
    uint64_t low = word_of_number(condition->low) + (condition->low_excluded ? 1 : 0);
    uint64_t high = word_of_number(condition->high) - (condition->high_excluded ? 1 : 0);
    test->nothing = low > high;
    test->range = (filter_range){low, high - low};
}

column_test column_test_of(const filter_attribute *condition, const idmap *strings)
{
    column_test test = {.nothing = true, .value = ROW_NONE, .strings = strings};
    if (condition->kind == ATTRIBUTE_NUMBER) {
        number_test(condition, &test);
    } else if (condition->kind == ATTRIBUTE_TEXT) {
        test.value = idmap_find(strings, condition->text, ROW_NONE);
        test.nothing = test.value == ROW_NONE;
        test.range.low = TAG_TEXT | test.value;
        test.lists = true;
    } else if (condition->kind == ATTRIBUTE_BOOL) {
        test.nothing = false;
        test.value = value_of_truth(condition->truth);
        test.range.low = TAG_BOOL | (condition->truth ? 1U : 0U);
    }
    return test;
}

static bool list_holds(slice list, uint32_t text)
{
    bool in = false;
    for (size_t i = 0; i + sizeof text <= list.length; i += sizeof text) {
        uint32_t number;
        memcpy(&number, list.at + i, sizeof number);
        in |= number == text;
    }
    return in;
}

/* keep_lists keeps the rows of `words` whose list contains the text. It works in three passes, so
 * that no read waits for the one before: it collects the rows whose word allows it, prefetches all
 * their lists, and then reads them. */
static void keep_lists(const column_test *test, const uint64_t *values, uint64_t *words,
                       size_t count)
{
    uint16_t rows[COLUMN_KEEP_MAX * 64];
    slice lists[COLUMN_KEEP_MAX * 64];
    const uint64_t wanted = column_trace(TAG_TEXTS, test->value);
    size_t candidates = 0;
    for (size_t w = 0; w < count; w++) {
        for (uint64_t left = words[w]; left != 0; left &= left - 1) {
            size_t row = w * 64 + (unsigned)__builtin_ctzll(left);
            rows[candidates] = (uint16_t)row;
            candidates += (values[row] & wanted) != 0;
        }
        words[w] = 0;
    }
    for (size_t i = 0; i < candidates; i++) {
        lists[i] = idmap_id(test->strings, (uint32_t)values[rows[i]]);
        __builtin_prefetch(lists[i].at);
    }
    for (size_t i = 0; i < candidates; i++) {
        bits_set_if(words, rows[i], list_holds(lists[i], test->value));
    }
}

void column_keep(const column_test *test, filter_keep keep, const uint64_t *values, uint64_t *words,
                 size_t count)
{
    uint64_t lists[COLUMN_KEEP_MAX];
    if (!test->lists) {
        keep(&test->range, values, words, count);
        return;
    }
    assert(count <= COLUMN_KEEP_MAX);
    memcpy(lists, words, count * sizeof *words);
    keep(&(filter_range){TAG_TEXTS, TAG_WIDTH}, values, lists, count);
    keep(&test->range, values, words, count);
    keep_lists(test, values, lists, count);
    for (size_t w = 0; w < count; w++) {
        words[w] |= lists[w];
    }
}
