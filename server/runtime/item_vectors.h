/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_vectors: vectors of the new items of an op, made beside the writer.
 *
 * An item that another node admitted comes without its vector, which is a node's own business: it
 * depends on the generation that serves here. Thread-safe.
 */
#ifndef SERVER_ITEM_VECTORS_H
#define SERVER_ITEM_VECTORS_H

#include "core/serve/state/coldstart.h"
#include "core/serve/update/live.h"
#include "storage/log/op.h"

/* item_vectors_wanted is how many vectors the op's items may need. */
size_t item_vectors_wanted(const op *o);

/* item_vectors_make makes them and lends them to the op's items. `out` has room for as many as are
 * wanted and owns those that were made, which must outlive the op's applying; returns how many. */
size_t item_vectors_make(live *l, op *o, cold_item **out);

#endif
