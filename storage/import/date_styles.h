/* SPDX-License-Identifier: Apache-2.0 */
/*
 * date_styles: dates as the field's files write them, beside RFC 3339.
 *
 * 2024-05-01, 2024/05/01 or 20240501, with "12:30", "T12:30:15.25" behind it;
 * "Fri Aug 25 13:55:02 -0700 2017"; "Aug 25, 2017"; "25 Aug 2017 13:55 UTC"; and Amazon's
 * "08 25, 2017". An offset (Z, UTC, GMT, +02:00, -0700) may be there or not. 05/06/2024 is refused:
 * nothing tells the day from the month. Pure; thread-safe.
 */
#ifndef STORAGE_DATE_STYLES_H
#define STORAGE_DATE_STYLES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/slice.h"

/* date_styles_read gives the moment as if the clock that the text shows were in UTC. If the text
 * names an offset, *has_offset is true and it is taken into account. False: no such style, or no
 * such day. */
bool date_styles_read(slice text, int64_t *seconds, bool *has_offset);

/* date_styles_compact tells whether a text is a day of the years 1900 to 2099 in eight digits. */
bool date_styles_compact(slice text);

#endif
