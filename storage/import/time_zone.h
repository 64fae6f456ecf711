/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_zone: from the time on a wall clock to UTC.
 *
 * UTC, a fixed offset such as +02:00, or a zone of the machine's tz data base, whose file (RFC
 * 8536) is read here: the C library knows one zone for the whole process. A local time that a clock
 * showed twice is the earlier of both; one that it skipped is taken as before the change. After the
 * last change in the file, which is of the year 2037 in Debian's, the last offset goes on.
 * Immutable after open.
 */
#ifndef STORAGE_TIME_ZONE_H
#define STORAGE_TIME_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct time_zone time_zone;

/* time_zone_open fails with ERR_INVALID for a name that is none, ERR_IO, ERR_NOMEM. Close with
 * time_zone_close, which accepts NULL. */
err_code time_zone_open(time_zone **out, const char *name, err *e) ERR_CHECKED;
void time_zone_close(time_zone *z);

/* time_zone_to_utc takes a local time, written as epoch seconds as if it were UTC. */
int64_t time_zone_to_utc(const time_zone *z, int64_t local);

#endif
