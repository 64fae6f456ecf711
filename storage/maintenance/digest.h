/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest: a hash of a store's logical content, to compare two nodes that applied the same log.
 *
 * Equal at equal position: items with their features, users, interactions, ids and rows, the
 * registries of modalities and types, the Idempotency-Keys that have not expired by the expiry
 * clock (without the bodies of their answers, which may tell of a node's own generation), the
 * table of publishers and the clock. Left out: page layout, the op log, generations and expired
 * keys, which are a node's own business.
 */
#ifndef STORAGE_DIGEST_H
#define STORAGE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/checksum.h"
#include "storage/env/store.h"

typedef struct store_digest {
    char position[EXTERNAL_POSITION_MAX + 1]; /* of an external log; "": none */
    uint64_t seq;
    uint64_t records; /* that were hashed */
    char hash[CHECKSUM128_TEXT];
} store_digest;

/* digest_read hashes the content of one moment, in one read transaction. `cancelled` (may be NULL)
 * is asked now and then: ERR_CANCELLED. */
err_code digest_read(store *s, bool (*cancelled)(void *ctx), void *ctx, store_digest *out,
                     err *e) ERR_CHECKED;

#endif
