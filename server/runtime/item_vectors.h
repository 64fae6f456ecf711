/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_vectors: computes vectors for the new items of an op, outside the writer.
 *
 * An item that another node admitted comes without a vector, because each node computes its own: it
 * depends on the generation that the node serves. Thread-safe.
 */
#ifndef SERVER_ITEM_VECTORS_H
#define SERVER_ITEM_VECTORS_H

#include "core/serve/state/coldstart.h"
#include "core/serve/update/live.h"
#include "storage/log/op.h"

/* item_vectors_wanted returns how many vectors the op's items may need. */
size_t item_vectors_wanted(const op *o);

/* item_vectors_make computes them and lends them to the op's items. `out` has room for all that are
 * wanted. It owns the vectors, which must outlive the application of the op. Returns their
 * number. */
size_t item_vectors_make(live *l, op *o, cold_item **out);

#endif
