/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoch: when memory that readers may still see can be freed.
 *
 * A reader enters (notes the current epoch in a slot of its own) before it loads the published
 * pointer, and leaves when done. The writer replaces the pointer, retires what the old one reached
 * under the epoch of that moment, and advances. Memory retired at epoch t is freed once every slot
 * in use notes an epoch above t: such a reader entered after the pointer was replaced.
 *
 * epoch_enter and epoch_leave: any thread, without waiting for the writer. The rest: the writer.
 */
#ifndef CORE_EPOCH_H
#define CORE_EPOCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/pvec.h"

enum { EPOCH_SLOTS = 512 };

typedef struct epoch epoch;

err_code epoch_new(epoch **out, err *e) ERR_CHECKED;

/* epoch_free frees all that is retired, then itself; no reader is inside. */
void epoch_free(epoch *ep);

/* epoch_enter takes a free slot; with EPOCH_SLOTS readers inside it spins for one. */
unsigned epoch_enter(epoch *ep);
void epoch_leave(epoch *ep, unsigned slot);

/* epoch_reserve makes room for `count` more pieces, so that epoch_retire cannot fail after the
 * pointer was replaced. */
err_code epoch_reserve(epoch *ep, size_t count, err *e) ERR_CHECKED;
void epoch_retire(epoch *ep, pvec_piece piece);

/* epoch_advance ends the epoch: call it after the pointer was replaced and all was retired. */
void epoch_advance(epoch *ep);

/* epoch_reclaim frees what it may and returns how many pieces still wait. */
size_t epoch_reclaim(epoch *ep);

#endif
