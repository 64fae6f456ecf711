/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoch: decides when memory that readers may still see can be freed.
 *
 * A reader enters (it stores the current epoch in a slot of its own) before it loads the published
 * pointer, and leaves when it is done. The writer replaces the pointer, retires under the current
 * epoch what only the old pointer reached, and advances the epoch. Memory retired at epoch t is
 * freed once every used slot holds an epoch above t, because such a reader entered after the
 * pointer was replaced.
 *
 * Any thread may call epoch_enter and epoch_leave, which do not wait for the writer. Only the
 * writer calls the other functions.
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

/* epoch_free frees all retired memory, and then itself. No reader may be inside. */
void epoch_free(epoch *ep);

/* epoch_enter takes a free slot. If EPOCH_SLOTS readers are inside, it spins until one leaves. */
unsigned epoch_enter(epoch *ep);
void epoch_leave(epoch *ep, unsigned slot);

/* epoch_reserve makes room for `count` more pieces, so that epoch_retire cannot fail after the
 * pointer was replaced. */
err_code epoch_reserve(epoch *ep, size_t count, err *e) ERR_CHECKED;
void epoch_retire(epoch *ep, pvec_piece piece);

/* epoch_advance ends the epoch. Call it after the pointer was replaced and everything was
 * retired. */
void epoch_advance(epoch *ep);

/* epoch_reclaim frees what it can and returns how many pieces are still waiting. */
size_t epoch_reclaim(epoch *ep);

#endif
