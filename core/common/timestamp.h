/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timestamp: converts between RFC 3339 text and epoch seconds.
 *
 * All times inside the program are int64 epoch seconds; fractions are cut off. These functions use
 * no clock and no time zone database: the text contains the offset, and the caller passes the
 * present time. Pure functions, thread-safe.
 */
#ifndef CORE_TIMESTAMP_H
#define CORE_TIMESTAMP_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"

enum {
    TIMESTAMP_TEXT_MAX = 48,               /* size of timestamp_format's text with its NUL */
    TIMESTAMP_AHEAD_SECONDS = 24 * 60 * 60 /* how far ahead of now a time may be */
};

/* timestamp_parse reads RFC 3339 ("2024-05-01T12:00:00Z", any offset, fractions, a space instead of
 * T, lower case t and z) or a decimal number of epoch seconds ("1714557600", "1.7145e9"). It checks
 * only the form and that the year is within 0000 to 9999. ERR_INVALID. */
err_code timestamp_parse(slice text, int64_t *seconds, err *e) ERR_CHECKED;

/* timestamp_from_number takes epoch seconds as a number, which may have a fraction. */
err_code timestamp_from_number(double number, int64_t *seconds, err *e) ERR_CHECKED;

/* timestamp_check refuses (ERR_INVALID) a time more than a day after `now`. If the number looks
 * like milliseconds, the text says so. */
err_code timestamp_check(int64_t seconds, int64_t now, err *e) ERR_CHECKED;

/* timestamp_format writes RFC 3339 in UTC with a closing NUL. Times outside the years 0000 to 9999
 * are clamped. */
void timestamp_format(int64_t seconds, char out[TIMESTAMP_TEXT_MAX]);

#endif
