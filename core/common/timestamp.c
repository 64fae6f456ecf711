/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/timestamp.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Years 0000 to 9999. */
static const int64_t first_second = -62167219200;
static const int64_t last_second = 253402300799;

/* days_from_civil returns the days since 1970-01-01 in the proleptic Gregorian calendar. Years are
 * counted from March, so that the leap day is the last day of its year. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* A cursor over the text; `bad` stays set. */
typedef struct scanner {
    const char *at, *end;
    bool bad;
} scanner;

static int64_t scan_digits(scanner *s, int count)
{
    int64_t value = 0;
    for (int i = 0; i < count; i++) {
        if (s->at == s->end || *s->at < '0' || *s->at > '9') {
            s->bad = true;
            return 0;
        }
        value = value * 10 + (*s->at++ - '0');
    }
    return value;
}

static char scan_one_of(scanner *s, const char *accepted)
{
    for (const char *a = accepted; s->at < s->end && *a != '\0'; a++) {
        if (*s->at == *a) {
            return *s->at++;
        }
    }
    s->bad = true;
    return '\0';
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const int64_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int64_t scan_offset(scanner *s)
{
    char sign = scan_one_of(s, "Zz+-");
    if (sign != '+' && sign != '-') {
        return 0;
    }
    int64_t hours = scan_digits(s, 2);
    scan_one_of(s, ":");
    int64_t minutes = scan_digits(s, 2);
    s->bad = s->bad || hours > 23 || minutes > 59;
    int64_t offset = hours * 3600 + minutes * 60;
    return sign == '-' ? -offset : offset;
}

static bool parse_rfc3339(slice text, int64_t *seconds)
{
    scanner s = {text.at, text.at + text.length, false};
    int64_t year = scan_digits(&s, 4);
    scan_one_of(&s, "-");
    int64_t month = scan_digits(&s, 2);
    scan_one_of(&s, "-");
    int64_t day = scan_digits(&s, 2);
    scan_one_of(&s, "Tt ");
    int64_t hour = scan_digits(&s, 2);
    scan_one_of(&s, ":");
    int64_t minute = scan_digits(&s, 2);
    scan_one_of(&s, ":");
    int64_t second = scan_digits(&s, 2);
    if (!s.bad && s.at < s.end && *s.at == '.') {
        s.at++;
        scan_digits(&s, 1);
        while (s.at < s.end && *s.at >= '0' && *s.at <= '9') {
            s.at++;
        }
    }
    int64_t offset = scan_offset(&s);
    if (s.bad || s.at != s.end || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    second = second == 60 ? 59 : second; /* a leap second gets the number of the second before */
    *seconds =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    return true;
}

err_code timestamp_from_number(double number, int64_t *seconds, err *e)
{
    if (!isfinite(number) || number < (double)first_second || number > 1e15) {
        return err_set(e, ERR_INVALID, "%g is not a number of epoch seconds", number);
    }
    *seconds = (int64_t)floor(number);
    return ERR_OK;
}

err_code timestamp_parse(slice text, int64_t *seconds, err *e)
{
    if (text.length > 0 && text.length < 64 && parse_rfc3339(text, seconds)) {
        return ERR_OK;
    }
    /* The checks exclude what strtod alone would accept: " 1", "0x1p3", "nan" and "inf". */
    bool plain = text.length > 0 && text.length < 64;
    char copy[64];
    for (size_t i = 0; plain && i < text.length; i++) {
        char c = text.at[i];
        plain = (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
        copy[i] = c;
    }
    if (plain) {
        char *end = NULL;
        copy[text.length] = '\0';
        double number = strtod(copy, &end);
        if (*end == '\0' && end != copy) {
            return timestamp_from_number(number, seconds, e);
        }
    }
    return err_set(e, ERR_INVALID,
                   "expected RFC 3339 with an offset, such as 2024-05-01T12:00:00Z, or epoch "
                   "seconds, not \"%.*s\"",
                   (int)(text.length < 40 ? text.length : 40), text.length > 0 ? text.at : "");
}

err_code timestamp_check(int64_t seconds, int64_t now, err *e)
{
    if (seconds <= now + TIMESTAMP_AHEAD_SECONDS) {
        return ERR_OK;
    }
    if (seconds / 1000 > 86400 * 365 && seconds / 1000 <= now + TIMESTAMP_AHEAD_SECONDS &&
        seconds > last_second / 2) {
        return err_set(e, ERR_INVALID, "%lld looks like milliseconds, expected epoch seconds",
                       (long long)seconds);
    }
    char text[TIMESTAMP_TEXT_MAX];
    timestamp_format(seconds, text);
    return err_set(e, ERR_INVALID, "%s is more than a day ahead", text);
}

void timestamp_format(int64_t seconds, char out[TIMESTAMP_TEXT_MAX])
{
    seconds = seconds < first_second ? first_second : seconds;
    seconds = seconds > last_second ? last_second : seconds;
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t rest = seconds - days * 86400;
    int64_t year;
    int64_t month;
    int64_t day;
    civil_from_days(days, &year, &month, &day);
    snprintf(out, TIMESTAMP_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)year, (int)month,
             (int)day, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
}
