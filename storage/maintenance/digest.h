/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest: a hash of a store's logical content, to compare two nodes that applied the same log.
 *
 * Nodes at the same position have equal digests. The digest covers items with their features,
 * users, interactions, ids and rows, the registries of modalities and types, the Idempotency-Keys
 * that have not expired by the expiry clock, the table of publishers, and the clock. It leaves out
 * what may differ between nodes: page layout, the op log, generations, expired keys, and the bodies
 * of stored answers, which may name a node's own generation.
 */
#ifndef STORAGE_DIGEST_H
#define STORAGE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/checksum.h"
#include "storage/env/store.h"

typedef struct store_digest {
    char position[EXTERNAL_POSITION_MAX + 1]; /* position in an external log; "" if none */
    uint64_t seq;
    uint64_t records; /* number of records hashed */
    char hash[CHECKSUM128_TEXT];
} store_digest;

/* digest_read hashes the content in one read transaction. `cancelled` is called now and then and
 * may be NULL: ERR_CANCELLED. */
err_code digest_read(store *s, bool (*cancelled)(void *ctx), void *ctx, store_digest *out,
                     err *e) ERR_CHECKED;

#endif
