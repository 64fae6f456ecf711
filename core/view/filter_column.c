/*
 * filter_column: packing attributes into words. See the header for the idea.
 *
 * Words are the value's natural bits with COLUMN_FLIP xored in, a quiet NaN with a payload that no
 * finite double equals, so that 0 can mean absence. Kinds other than numbers sit in the negative
 * quiet NaNs: 0xfff9 text, 0xfffa bool, 0xfffb list, the number of the text in the low bits.
 */
#include "core/view/filter_column.h"

#include <string.h>

#define COLUMN_FLIP UINT64_C(0x7ff8000000000001)
#define TAG_TEXT    UINT64_C(0xfff9000000000000)
#define TAG_BOOL    UINT64_C(0xfffa000000000000)
#define TAG_TEXTS   UINT64_C(0xfffb000000000000)
#define TAG_MASK    UINT64_C(0xffff000000000000)

static uint64_t number_bits(double number)
{
    uint64_t bits;
    double canonical = number == 0 ? 0 : number; /* -0 equals 0 */
    memcpy(&bits, &canonical, sizeof bits);
    return bits;
}

err_code column_encode(uint64_t *out, idmap *strings, const attribute *a, err *e)
{
    uint32_t numbers[ATTRIBUTE_TEXTS_MAX];
    uint32_t number = 0;
    err_code rc = ERR_OK;
    *out = COLUMN_ABSENT;
    switch (a->kind) {
    case ATTRIBUTE_REMOVED: return ERR_OK;
    case ATTRIBUTE_NUMBER: *out = number_bits(a->number) ^ COLUMN_FLIP; return ERR_OK;
    case ATTRIBUTE_BOOL: *out = (TAG_BOOL | (a->truth ? 1U : 0U)) ^ COLUMN_FLIP; return ERR_OK;
    case ATTRIBUTE_TEXT:
        rc = idmap_intern(&number, strings, a->text, e);
        *out = (TAG_TEXT | number) ^ COLUMN_FLIP;
        return rc;
    case ATTRIBUTE_TEXTS: break;
    }
    if (a->text_count > ATTRIBUTE_TEXTS_MAX) {
        return err_set(e, ERR_TOO_LARGE, "an attribute of %u texts, at most %d", a->text_count,
                       ATTRIBUTE_TEXTS_MAX);
    }
    for (uint32_t i = 0; i < a->text_count && rc == ERR_OK; i++) {
        rc = idmap_intern(&numbers[i], strings, a->texts[i], e);
    }
    if (rc == ERR_OK) {
        rc = idmap_intern(&number, strings,
                          (slice){(const char *)numbers, a->text_count * sizeof numbers[0]}, e);
    }
    *out = (TAG_TEXTS | number) ^ COLUMN_FLIP;
    return rc;
}

column_test column_test_of(const filter_attribute *condition, const idmap *strings)
{
    column_test test = {.kind = condition->kind,
                        .text = ROW_NONE,
                        .low = condition->low,
                        .high = condition->high,
                        .low_excluded = condition->low_excluded,
                        .high_excluded = condition->high_excluded,
                        .strings = strings};
    if (condition->kind == ATTRIBUTE_TEXT) {
        test.text = idmap_find(strings, condition->text, ROW_NONE);
        test.equal = (TAG_TEXT | test.text) ^ COLUMN_FLIP;
    } else if (condition->kind == ATTRIBUTE_BOOL) {
        test.equal = (TAG_BOOL | (condition->truth ? 1U : 0U)) ^ COLUMN_FLIP;
    }
    return test;
}

static bool list_holds(const column_test *test, uint64_t bits)
{
    slice list = idmap_id(test->strings, (uint32_t)bits);
    for (size_t i = 0; i + sizeof(uint32_t) <= list.length; i += sizeof(uint32_t)) {
        uint32_t number;
        memcpy(&number, list.at + i, sizeof number);
        if (number == test->text) {
            return true;
        }
    }
    return false;
}

bool column_passes(const column_test *test, uint64_t word)
{
    if (word == COLUMN_ABSENT) {
        return false;
    }
    uint64_t bits = word ^ COLUMN_FLIP;
    if (test->kind == ATTRIBUTE_NUMBER) {
        double number;
        memcpy(&number, &bits, sizeof number);
        /* The other kinds are NaNs: every comparison fails. */
        return (test->low_excluded ? number > test->low : number >= test->low) &&
               (test->high_excluded ? number < test->high : number <= test->high);
    }
    if (test->kind == ATTRIBUTE_TEXT) {
        return test->text != ROW_NONE &&
               (word == test->equal || ((bits & TAG_MASK) == TAG_TEXTS && list_holds(test, bits)));
    }
    return test->kind == ATTRIBUTE_BOOL && word == test->equal;
}
