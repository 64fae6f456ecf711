/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_zone: converts wall-clock time to UTC.
 *
 * It knows UTC, fixed offsets such as +02:00, and the zones of the machine's tz database, whose
 * files (RFC 8536) it reads itself, because the C library has one zone for the whole process. A
 * local time that occurs twice is the earlier one. A local time that is skipped counts as before
 * the change. After the last change in the file (in Debian's files, in 2037) the last offset
 * applies. Immutable after open.
 */
#ifndef STORAGE_TIME_ZONE_H
#define STORAGE_TIME_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct time_zone time_zone;

/* time_zone_open fails with ERR_INVALID for an unknown name, ERR_IO, or ERR_NOMEM. Close with
 * time_zone_close, which accepts NULL. */
err_code time_zone_open(time_zone **out, const char *name, err *e) ERR_CHECKED;
void time_zone_close(time_zone *z);

/* time_zone_to_utc takes a local time as epoch seconds, counted as if it were UTC. */
int64_t time_zone_to_utc(const time_zone *z, int64_t local);

#endif
