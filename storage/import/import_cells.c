/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/import_cells.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/utf8.h"

enum { NUMBER_BYTES_MAX = 63, EXACT_DIGITS = 15 };

bool cell_is_nothing(slice cell, const char *words)
{
    if (cell.length == 0) {
        return true;
    }
    if (words == NULL && cell.at[0] >= '0' && cell.at[0] <= '9') {
        return false;
    }
    for (const char *at = words != NULL ? words : IMPORT_NULL_WORDS; *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (length == cell.length && memcmp(at, cell.at, length) == 0) {
            return true;
        }
        at += length + (at[length] == ',');
    }
    return false;
}

/* --- numbers --- */

static bool copy_number(slice cell, char copy[NUMBER_BYTES_MAX + 1])
{
    if (cell.length == 0 || cell.length > NUMBER_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < cell.length; i++) {
        char c = cell.at[i];
        if ((c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E') {
            return false;
        }
        copy[i] = c;
    }
    copy[cell.length] = '\0';
    return true;
}

bool cell_number(slice cell, double *out)
{
    char copy[NUMBER_BYTES_MAX + 1];
    char *end = NULL;
    if (!copy_number(cell, copy)) {
        return false;
    }
    *out = strtod(copy, &end);
    return end != copy && *end == '\0' && isfinite(*out);
}

/* same_digits tells whether the shortest text of the double has the digits of `copy`. */
static bool same_digits(const char *copy, size_t digits, double value)
{
    if (digits <= EXACT_DIGITS) {
        return true;
    }
    char again[64];
    for (int precision = EXACT_DIGITS; precision <= 17; precision++) {
        snprintf(again, sizeof again, "%.*g", precision, value);
        if (strtod(again, NULL) == value) {
            break;
        }
    }
    return strcmp(again, copy) == 0;
}

void cell_note_number(number_facts *facts, slice cell)
{
    char copy[NUMBER_BYTES_MAX + 1];
    double value = 0.0;
    if (facts->lost || !cell_number(cell, &value) || !copy_number(cell, copy)) {
        facts->lost = true;
        return;
    }
    const char *at = copy + (copy[0] == '-');
    size_t whole = strspn(at, "0123456789");
    const char *point = at[whole] == '.' ? at + whole : NULL;
    size_t behind = point != NULL ? strspn(point + 1, "0123456789") : 0;
    const char *rest = point != NULL ? point + 1 + behind : at + whole;
    bool exponent = *rest == 'e' || *rest == 'E';
    bool leading = whole > 1 && at[0] == '0';
    bool empty = whole == 0 || (point != NULL && behind == 0);
    bool negative_zero = copy[0] == '-' && value == 0.0;
    bool whole_too_large = point == NULL && fabs(value) > 0x1p53;
    facts->lost = leading || empty || negative_zero || whole_too_large ||
                  (exponent && rest[1] != '-' && rest[1] != '+') ||
                  !same_digits(copy, whole + behind, value);
    if (behind > 0 && !exponent) {
        facts->padded = facts->padded || (point[behind] == '0' && behind > 1);
        facts->uneven = facts->uneven || (facts->decimals != 0 && facts->decimals != (int)behind);
        facts->decimals = facts->decimals == 0 ? (int)behind : facts->decimals;
    }
}

bool number_facts_keep(const number_facts *facts)
{
    return !facts->lost && !(facts->padded && facts->uneven);
}

/* --- truths --- */

static bool same_word(slice cell, const char *word)
{
    size_t length = strlen(word);
    bool small = cell.length == length, large = small;
    for (size_t i = 0; i < length && (small || large); i++) {
        char upper = (char)(word[i] >= 'a' && word[i] <= 'z' ? word[i] - 32 : word[i]);
        small = small && (cell.at[i] == word[i] || (i == 0 && cell.at[i] == upper));
        large = large && cell.at[i] == upper;
    }
    return small || large;
}

bool cell_is_truth(slice cell)
{
    return same_word(cell, "true") || same_word(cell, "false");
}

bool cell_bool(slice cell, bool *out)
{
    static const char *const words[] = {"true", "yes", "1", "false", "no", "0"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (same_word(cell, words[i])) {
            *out = i < 3;
            return true;
        }
    }
    return false;
}

/* --- lists --- */

void list_form_note(list_form *form, slice cell)
{
    /* the first of these that any cell contains is the separator */
    static const char order[] = "|;,";
    if (cell.length > 0 && (cell.at[0] == '[' || cell.at[0] == '\'')) {
        form->quoted = true;
    }
    for (const char *c = order; *c != '\0' && *c != form->separator[0]; c++) {
        if (memchr(cell.at, *c, cell.length) != NULL) {
            form->separator[0] = *c;
            form->separator[1] = '\0';
            return;
        }
    }
}

static slice trim(slice part)
{
    while (part.length > 0 && part.at[0] == ' ') {
        part.at++;
        part.length--;
    }
    while (part.length > 0 && part.at[part.length - 1] == ' ') {
        part.length--;
    }
    return part;
}

static err_code add_entry(cell_entries *out, slice part, err *e)
{
    part = trim(part);
    bool known = cell_is_nothing(part, out->null_words);
    for (uint32_t i = 0; i < out->count && !known; i++) {
        known = slice_equal(out->list[i], part);
    }
    if (known) {
        return ERR_OK;
    }
    if (out->count == out->most || part.length > out->bytes_max) {
        return err_set(e, ERR_INVALID, "expected at most %u entries of at most %zu bytes in a list",
                       out->most, out->bytes_max);
    }
    out->list[out->count++] = part;
    return ERR_OK;
}

/* quoted_list reads ['A', "B's"], with or without the brackets. Commas inside quotes are
 * content. */
static err_code quoted_list(slice cell, cell_entries *out, err *e)
{
    size_t at = 0;
    err_code code = ERR_OK;
    while (code == ERR_OK && at < cell.length) {
        char c = cell.at[at];
        if (strchr(" ,[]", c) != NULL && c != '\0') {
            at++;
            continue;
        }
        bool quoted = c == '\'' || c == '"';
        size_t from = at + quoted;
        size_t to = from;
        /* A quote ends an entry only before a comma, a bracket or the end: 'Men's Shoes' is one
         * entry. */
        while (to < cell.length) {
            bool last = to + 1 == cell.length || strchr(",]", cell.at[to + 1]) != NULL;
            if (quoted ? cell.at[to] == c && last : cell.at[to] == ',' || cell.at[to] == ']') {
                break;
            }
            to++;
        }
        code = add_entry(out, (slice){cell.at + from, to - from}, e);
        at = to + 1;
    }
    return code;
}

err_code cell_list(slice cell, const list_form *form, cell_entries *out, err *e)
{
    if (cell_is_nothing(cell, out->null_words)) {
        return ERR_OK;
    }
    if (form->quoted && (cell.at[0] == '[' || cell.at[0] == '\'')) {
        return quoted_list(cell, out, e);
    }
    size_t length = strlen(form->separator);
    err_code code = ERR_OK;
    for (size_t from = 0; code == ERR_OK && from <= cell.length;) {
        size_t to = from;
        while (length > 0 && to + length <= cell.length &&
               memcmp(cell.at + to, form->separator, length) != 0) {
            to++;
        }
        to = length == 0 || to + length > cell.length ? cell.length : to;
        code = add_entry(out, (slice){cell.at + from, to - from}, e);
        from = to + (length > 0 ? length : 1);
    }
    return code;
}
