/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/date_styles.h"

#include <stdio.h>
#include <string.h>

#include "core/common/timestamp.h"

enum { TEXT_MAX = 48, UNKNOWN = -1 };

/* The parts found so far; UNKNOWN for the others. */
typedef struct found {
    int year, month, day, hour, minute, second;
    int first; /* a number before the day; the style decides whether it is the month */
    bool comma, has_offset;
    int offset; /* seconds east of UTC */
} found;

static bool digits(const char *at, size_t count)
{
    return strspn(at, "0123456789") >= count;
}

static int two(const char *at)
{
    return (at[0] - '0') * 10 + (at[1] - '0');
}

/* read_offset parses the whole text as Z, UTC, GMT, +02:00, +0200 or +02. */
static bool read_offset(const char *at, found *f)
{
    bool zero = strcmp(at, "Z") == 0 || strcmp(at, "z") == 0 || strcmp(at, "UTC") == 0 ||
                strcmp(at, "GMT") == 0;
    int hours = 0, minutes = 0;
    if (f->has_offset) {
        return false;
    }
    if (!zero) {
        if ((at[0] != '+' && at[0] != '-') || !digits(at + 1, 2)) {
            return false;
        }
        const char *rest = at + 3 + (at[3] == ':');
        hours = two(at + 1);
        minutes = digits(rest, 2) ? two(rest) : 0;
        rest += digits(rest, 2) ? 2 : 0;
        if (*rest != '\0' || rest[-1] == ':' || hours > 14 || minutes > 59) {
            return false;
        }
    }
    f->has_offset = true;
    f->offset = (hours * 60 + minutes) * (at[0] == '-' ? -60 : 60);
    return true;
}

/* read_clock parses 12:30, 12:30:15 or 12:30:15.25, optionally with an offset directly after it. */
static bool read_clock(const char *at, found *f)
{
    size_t hour = strspn(at, "0123456789");
    if (f->hour != UNKNOWN || hour < 1 || hour > 2 || at[hour] != ':' ||
        !digits(at + hour + 1, 2)) {
        return false;
    }
    f->hour = hour == 2 ? two(at) : at[0] - '0';
    f->minute = two(at + hour + 1);
    f->second = 0;
    at += hour + 3;
    if (at[0] == ':' && digits(at + 1, 2)) {
        f->second = two(at + 1);
        at += 3;
        at += *at == '.' || *at == ',' ? 1 + strspn(at + 1, "0123456789") : 0;
    }
    return *at == '\0' || read_offset(at, f);
}

/* read_day parses 2024-05-01, 2024/05/01 or 20240501, optionally with a T and a time of day. */
static bool read_day(const char *at, found *f)
{
    bool compact = strspn(at, "0123456789") == 8;
    size_t step = compact ? 0 : 1;
    if (f->year != UNKNOWN || f->day != UNKNOWN || !digits(at, 4)) {
        return false;
    }
    const char *month = at + 4 + step, *day = month + 2 + step;
    bool joined = compact || (at[4] == '-' && digits(month, 2) && month[2] == '-') ||
                  (at[4] == '/' && digits(month, 2) && month[2] == '/');
    if (!joined || !digits(day, 2)) {
        return false;
    }
    f->year = two(at) * 100 + two(at + 2);
    f->month = two(month);
    f->day = two(day);
    day += 2;
    return *day == '\0' || ((*day == 'T' || *day == 't') && read_clock(day + 1, f));
}

/* read_name parses Aug, August, and the names of weekdays, which add no information. */
static bool read_name(const char *at, found *f)
{
    static const char *const names[] = {
        "january",   "february",  "march",   "april",    "may",      "june",   "july",
        "august",    "september", "october", "november", "december", "monday", "tuesday",
        "wednesday", "thursday",  "friday",  "saturday", "sunday"};
    char small[16] = "";
    size_t length = strlen(at);
    for (size_t i = 0; i < length && i < sizeof small - 1; i++) {
        small[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]);
    }
    for (int i = 0; i < 19 && length >= 3 && length < sizeof small; i++) {
        bool is = strcmp(small, names[i]) == 0 || (length == 3 && strncmp(small, names[i], 3) == 0);
        if (is && i < 12 && f->month != UNKNOWN) {
            return false;
        }
        if (is) {
            f->month = i < 12 ? i + 1 : f->month;
            return true;
        }
    }
    return false;
}

/* read_number parses a year of four digits, or a day of one or two. */
static bool read_number(const char *at, found *f)
{
    size_t length = strlen(at);
    if (strspn(at, "0123456789") != length || length == 0 || length == 3 || length > 4) {
        return false;
    }
    int number = 0;
    for (const char *c = at; *c != '\0'; c++) {
        number = number * 10 + (*c - '0');
    }
    int *into = length == 4 ? &f->year : f->day == UNKNOWN ? &f->day : NULL;
    if (into == &f->day || into == NULL) {
        f->first = into == NULL && f->first == UNKNOWN ? f->day : f->first;
        f->day = number;
        return into != NULL || f->first != UNKNOWN;
    }
    bool once = *into == UNKNOWN;
    *into = number;
    return once;
}

static bool read_words(slice text, found *f)
{
    char copy[TEXT_MAX];
    if (text.length < 8 || text.length >= sizeof copy ||
        memchr(text.at, '\0', text.length) != NULL) {
        return false;
    }
    memcpy(copy, text.at, text.length);
    copy[text.length] = '\0';
    char *rest = copy;
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        size_t length = strlen(word);
        bool comma = length > 1 && word[length - 1] == ',';
        word[length - comma] = '\0';
        f->comma = f->comma || comma;
        if (length > 0 && !read_day(word, f) && !read_clock(word, f) && !read_name(word, f) &&
            !read_number(word, f) && !read_offset(word, f)) {
            return false;
        }
    }
    return true;
}

bool date_styles_read(slice text, int64_t *seconds, bool *has_offset)
{
    char utc[TEXT_MAX];
    found f = {.year = UNKNOWN,
               .month = UNKNOWN,
               .day = UNKNOWN,
               .hour = UNKNOWN,
               .minute = 0,
               .second = 0,
               .first = UNKNOWN};
    if (!read_words(text, &f)) {
        return false;
    }
    if (f.first != UNKNOWN) { /* two numbers are a date only if a comma precedes the year */
        if (!f.comma || f.month != UNKNOWN) {
            return false;
        }
        f.month = f.first;
    }
    if (f.year == UNKNOWN || f.month == UNKNOWN || f.day == UNKNOWN) {
        return false;
    }
    snprintf(utc, sizeof utc, "%04d-%02d-%02dT%02d:%02d:%02dZ", f.year, f.month, f.day,
             f.hour == UNKNOWN ? 0 : f.hour, f.minute, f.second);
    if (timestamp_parse(slice_of(utc), seconds, NULL) != ERR_OK) {
        return false;
    }
    *seconds -= f.offset;
    *has_offset = f.has_offset;
    return true;
}

bool date_styles_compact(slice text)
{
    int64_t seconds = 0;
    bool offset = false;
    bool century =
        text.length == 8 && (memcmp(text.at, "19", 2) == 0 || memcmp(text.at, "20", 2) == 0);
    return century && date_styles_read(text, &seconds, &offset);
}
