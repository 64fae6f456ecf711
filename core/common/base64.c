/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/base64.h"

#include <stdint.h>

static const char *const alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { BAD = 0xff };

/* The value of each character of the alphabet plus one, and 0 for all other characters. A table
 * avoids branches, which the processor could not predict. */
static const uint8_t place[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64};

static uint32_t value_of(char c)
{
    return (uint8_t)(place[(unsigned char)c] - 1);
}

static size_t padding_of(slice text)
{
    if (text.length < 4 || text.at[text.length - 1] != '=') {
        return 0;
    }
    return text.at[text.length - 2] == '=' ? 2 : 1;
}

size_t base64_decoded_length(slice text)
{
    return text.length / 4 * 3 - padding_of(text);
}

void base64_encode(const void *data, size_t bytes, char *out)
{
    const unsigned char *in = data;
    for (; bytes >= 3; bytes -= 3, in += 3) {
        uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = alphabet[group >> 6 & 63];
        *out++ = alphabet[group & 63];
    }
    if (bytes > 0) {
        uint32_t group = (uint32_t)in[0] << 16 | (bytes == 2 ? (uint32_t)in[1] << 8 : 0);
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = bytes == 2 ? alphabet[group >> 6 & 63] : '=';
        *out++ = '=';
    }
}

/* decode_last decodes the last group, which has padding. The bits that padding cuts off must be
 * 0. */
static bool decode_last(const char *in, size_t padding, unsigned char *out)
{
    uint32_t a = value_of(in[0]);
    uint32_t b = value_of(in[1]);
    uint32_t c = padding == 2 ? 0 : value_of(in[2]);
    uint32_t left_over = padding == 2 ? b & 15 : c & 3;
    if (a == BAD || b == BAD || c == BAD || left_over != 0) {
        return false;
    }
    out[0] = (unsigned char)(a << 2 | b >> 4);
    if (padding == 1) {
        out[1] = (unsigned char)((b & 15) << 4 | c >> 2);
    }
    return true;
}

bool base64_decode(slice text, void *data)
{
    unsigned char *out = data;
    if (text.length % 4 != 0) {
        return false;
    }
    size_t padding = padding_of(text);
    size_t whole = text.length / 4 - (padding > 0 ? 1 : 0);
    const char *in = text.at;
    for (size_t i = 0; i < whole; i++, in += 4, out += 3) {
        uint32_t a = value_of(in[0]);
        uint32_t b = value_of(in[1]);
        uint32_t c = value_of(in[2]);
        uint32_t d = value_of(in[3]);
        if ((a | b | c | d) > 63) {
            return false;
        }
        out[0] = (unsigned char)(a << 2 | b >> 4);
        out[1] = (unsigned char)((b & 15) << 4 | c >> 2);
        out[2] = (unsigned char)((c & 3) << 6 | d);
    }
    return padding == 0 || decode_last(in, padding, out);
}
