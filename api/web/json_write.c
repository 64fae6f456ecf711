/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/json_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT_MAX = 40, FLOAT_DIGITS = 9 };

err_code json_answer_check(const buffer *b, err *e)
{
    if (b->failed == ERR_NOMEM) {
        return err_nomem(e, "an answer");
    }
    if (b->failed == ERR_UNAVAILABLE) {
        return err_set(e, b->failed, "too many answers are in memory (answers_bytes_max)");
    }
    if (b->failed != ERR_OK) {
        return err_set(e, b->failed, "answer: over the limit answer_bytes_max of %zu bytes",
                       b->bytes_max);
    }
    return ERR_OK;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void put_escaped(buffer *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    const char *names = "\"\"\\\\\nn\rr\tt\bb\ff";
    for (const char *at = names; *at != '\0'; at += 2) {
        if ((unsigned char)at[0] == c) {
            text[1] = at[1];
            buffer_put(b, text, 2);
            return;
        }
    }
    buffer_put(b, text, sizeof text);
}

/* plain_length is how many bytes from the start need no escape. */
static size_t plain_length(slice text)
{
    size_t length = 0;
    while (length < text.length && is_plain((unsigned char)text.at[length])) {
        length++;
    }
    return length;
}

void json_put_string(buffer *b, slice text)
{
    buffer_put(b, "\"", 1);
    size_t from = 0;
    for (size_t i = plain_length(text); i < text.length; i++) {
        if (!is_plain((unsigned char)text.at[i])) {
            buffer_put(b, text.at + from, i - from);
            put_escaped(b, (unsigned char)text.at[i]);
            from = i + 1;
        }
    }
    buffer_put(b, text.at + from, text.length - from);
    buffer_put(b, "\"", 1);
}

void json_put_text(buffer *b, const char *text)
{
    json_put_string(b, slice_of(text));
}

size_t json_digits(uint64_t value, char out[JSON_DIGITS_MAX])
{
    char text[JSON_DIGITS_MAX];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(out, text + at, sizeof text - at);
    return sizeof text - at;
}

void json_put_unsigned(buffer *b, uint64_t value)
{
    char text[JSON_DIGITS_MAX];
    buffer_put(b, text, json_digits(value, text));
}

void json_put_signed(buffer *b, int64_t value)
{
    if (value < 0) {
        buffer_put(b, "-", 1);
        json_put_unsigned(b, (uint64_t)0 - (uint64_t)value);
        return;
    }
    json_put_unsigned(b, (uint64_t)value);
}

void json_put_bool(buffer *b, bool value)
{
    buffer_put_text(b, value ? "true" : "false");
}

static const double powers[] = {1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1,
                                1e0,   1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                1e10,  1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
enum { POWER_ZERO = 10 };

/* put_fixed writes a number in the range of scores, in fixed notation with nine significant digits,
 * by integer arithmetic. printf takes twenty times as long. */
static void put_fixed(buffer *b, double value)
{
    int exponent = -5; /* value >= 1e-5 */
    while (value >= powers[POWER_ZERO + exponent + 1]) {
        exponent++;
    }
    int decimals = FLOAT_DIGITS - 1 - exponent;
    uint64_t digits = (uint64_t)(value * powers[POWER_ZERO + decimals] + 0.5);
    while (decimals > 0 && digits % 10 == 0) {
        digits /= 10;
        decimals--;
    }
    char text[NUMBER_TEXT_MAX];
    size_t at = sizeof text;
    for (int written = 0; digits > 0 || written <= decimals; written++) {
        if (written == decimals && decimals > 0) {
            text[--at] = '.';
        }
        text[--at] = (char)('0' + digits % 10);
        digits /= 10;
    }
    buffer_put(b, text + at, sizeof text - at);
}

void json_put_float(buffer *b, float value)
{
    double size = fabs((double)value);
    if (!isfinite(value)) {
        buffer_put(b, "null", 4);
        return;
    }
    if (value == 0.0F) {
        buffer_put(b, "0", 1);
        return;
    }
    if (size >= 1e-5 && size < 1e8) {
        if (value < 0.0F) {
            buffer_put(b, "-", 1);
        }
        put_fixed(b, size);
        return;
    }
    char text[NUMBER_TEXT_MAX];
    int length = snprintf(text, sizeof text, "%.9g", (double)value);
    buffer_put(b, text, (size_t)length);
}

void json_put_double(buffer *b, double value)
{
    if (!isfinite(value)) {
        buffer_put(b, "null", 4);
        return;
    }
    char text[NUMBER_TEXT_MAX];
    int length = snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value) {
        length = snprintf(text, sizeof text, "%.17g", value);
    }
    buffer_put(b, text, (size_t)length);
}

void json_put_comma(buffer *b)
{
    if (b->length == 0) {
        return;
    }
    char last = b->at[b->length - 1];
    if (last != '{' && last != '[' && last != ':') {
        buffer_put(b, ",", 1);
    }
}

void json_put_key(buffer *b, const char *name)
{
    json_put_comma(b);
    buffer_put(b, "\"", 1);
    buffer_put_text(b, name);
    buffer_put(b, "\":", 2);
}
