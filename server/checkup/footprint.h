/* SPDX-License-Identifier: Apache-2.0 */
/*
 * footprint: estimates how much memory serving a store takes, from the store's counts.
 *
 * The estimate adds up the tables that the service keeps. Two comparisons with measurements:
 *   - 1M items, 1M users and 19M interactions without features: 1.7 GB estimated, 1.6 GB resident;
 *   - 20,000 items with 384 and 64 features, 40,000 users, 600,000 interactions: 101 MB estimated,
 *     126 MB resident, of which 92 MB are not pages of the file.
 */
#ifndef SERVER_FOOTPRINT_H
#define SERVER_FOOTPRINT_H

#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"

typedef struct footprint {
    uint64_t resident; /* bytes of memory while the service runs */
    uint64_t most;     /* bytes while it also loads another generation */
    uint64_t training; /* bytes that a training, in a process of its own, needs at least */
    uint32_t dim;
    /* the active generation has tables; otherwise they are estimated with the defaults */
    bool trained;
} footprint;

/* footprint_of reads the counters and the description of the active generation. */
err_code footprint_of(footprint *out, store *s, err *e) ERR_CHECKED;

#endif
