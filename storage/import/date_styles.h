/* SPDX-License-Identifier: Apache-2.0 */
/*
 * date_styles: the styles of dates in common data files, other than RFC 3339.
 *
 *     2024-05-01, 2024/05/01, 20240501   optionally with "12:30" or "T12:30:15.25"
 *     Fri Aug 25 13:55:02 -0700 2017
 *     Aug 25, 2017
 *     25 Aug 2017 13:55 UTC
 *     08 25, 2017                        as in Amazon's files
 *
 * An offset (Z, UTC, GMT, +02:00, -0700) is optional. 05/06/2024 is refused, because the day and
 * the month cannot be told apart. Pure; thread-safe.
 */
#ifndef STORAGE_DATE_STYLES_H
#define STORAGE_DATE_STYLES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/slice.h"

/* date_styles_read parses a date as if its clock showed UTC. If the text names an offset, the
 * offset is applied and *has_offset is true. It returns false if no style fits or the day does not
 * exist. */
bool date_styles_read(slice text, int64_t *seconds, bool *has_offset);

/* date_styles_compact tells whether a text is a day from 1900 to 2099 in eight digits. */
bool date_styles_compact(slice text);

#endif
