/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool: limits how many exports run at once and how much disk their files take.
 *
 * An export is written to an unlinked file before it is sent, so that a slow receiver keeps no read
 * transaction open. Files that nobody downloads would fill the disk, so both numbers are limited.
 * An export holds its place and its bytes from spools_begin until spools_end.
 *
 * Thread-safe; a hold belongs to one thread at a time.
 */
#ifndef API_SPOOL_H
#define API_SPOOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

typedef struct spools {
    size_t count_max; /* immutable, like the next */
    uint64_t bytes_max;
    atomic_size_t count;
    atomic_uint_fast64_t bytes;
} spools;

typedef struct spool_hold {
    spools *of; /* NULL if nothing is held */
    uint64_t bytes;
} spool_hold;

void spools_init(spools *s, size_t count_max, uint64_t bytes_max);

/* spools_begin takes a place. ERR_UNAVAILABLE: none is free. */
err_code spools_begin(spools *s, spool_hold *out, err *e) ERR_CHECKED;

/* spools_grow takes bytes. ERR_TOO_LARGE: this export alone exceeds the limit. ERR_UNAVAILABLE: all
 * exports together do. */
err_code spools_grow(spool_hold *hold, uint64_t bytes, err *e) ERR_CHECKED;

/* spools_end releases what is held, if anything. */
void spools_end(spool_hold *hold);

#endif
