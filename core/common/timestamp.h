/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timestamp: RFC 3339 text and epoch seconds, both ways.
 *
 * Inside, every time is an int64 of epoch seconds; fractions are cut off. No clock and no time
 * zone data base is consulted: offsets are in the text, and whoever calls says what now is.
 * Pure functions, thread-safe.
 */
#ifndef CORE_TIMESTAMP_H
#define CORE_TIMESTAMP_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"

enum {
    TIMESTAMP_TEXT_MAX = 48,               /* bytes of timestamp_format's text with its NUL */
    TIMESTAMP_AHEAD_SECONDS = 24 * 60 * 60 /* how far ahead of now a time may be */
};

/* timestamp_parse reads RFC 3339 ("2024-05-01T12:00:00Z", any offset, fractions, a space or small
 * letters for T and Z) or a plain decimal number of epoch seconds ("1714557600", "1.7145e9"). Only
 * the form and the range of years 0000 to 9999 are checked. ERR_INVALID otherwise. */
err_code timestamp_parse(slice text, int64_t *seconds, err *e) ERR_CHECKED;

/* timestamp_from_number takes epoch seconds as a number that may have a fraction. */
err_code timestamp_from_number(double number, int64_t *seconds, err *e) ERR_CHECKED;

/* timestamp_check refuses (ERR_INVALID) what is more than a day after `now`; a text that looks like
 * milliseconds is told so. */
err_code timestamp_check(int64_t seconds, int64_t now, err *e) ERR_CHECKED;

/* timestamp_format writes RFC 3339 in UTC with a closing NUL; times outside of the years 0000 to
 * 9999 are clamped to them. */
void timestamp_format(int64_t seconds, char out[TIMESTAMP_TEXT_MAX]);

#endif
