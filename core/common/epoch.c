/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoch: epoch-based reclamation. The header explains why it is safe.
 *
 * A reader enters by a compare-and-swap on a free slot. All operations are sequentially consistent:
 * if the writer's scan of the slots misses a reader, that reader's later load of the pointer finds
 * the new one.
 */
#include "core/common/epoch.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>

#include "core/common/mem.h"

typedef struct slot {
    /* the epoch in which the slot's reader entered; 0 if the slot is free */
    _Alignas(64) _Atomic uint64_t at;
} slot;

typedef struct retired {
    pvec_piece piece;
    uint64_t at;
} retired;

struct epoch {
    slot slots[EPOCH_SLOTS];
    _Alignas(64) _Atomic uint64_t now;
    /* used by the writer alone: a queue in the order of epochs */
    retired *queue;
    size_t first, count, room;
};

err_code epoch_new(epoch **out, err *e)
{
    *out = mem_table(1, sizeof **out);
    if (*out == NULL) {
        return err_nomem(e, "the readers' slots");
    }
    atomic_init(&(*out)->now, 1);
    return ERR_OK;
}

void epoch_free(epoch *ep)
{
    if (ep == NULL) {
        return;
    }
    for (size_t i = 0; i < ep->count; i++) {
        retired *r = &ep->queue[ep->first + i];
        r->piece.release(r->piece.memory);
    }
    mem_free(ep->queue);
    mem_free(ep);
}

unsigned epoch_enter(epoch *ep)
{
    static _Thread_local unsigned last = 0; /* a hint: 1 + the slot used last */
    if (last == 0) {
        /* Threads start at different slots, so that they rarely collide. */
        last = 1 + (unsigned)((uintptr_t)&last >> 12) * 7 % EPOCH_SLOTS;
    }
    for (unsigned i = last - 1, tried = 0;; i = (i + 1) % EPOCH_SLOTS, tried++) {
        uint64_t empty = 0;
        if (atomic_load_explicit(&ep->slots[i].at, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&ep->slots[i].at, &empty, atomic_load(&ep->now))) {
            last = i + 1;
            return i;
        }
        if (tried == EPOCH_SLOTS) {
            tried = 0;
            sched_yield();
        }
    }
}

void epoch_leave(epoch *ep, unsigned slot_number)
{
    atomic_store(&ep->slots[slot_number].at, 0);
}

err_code epoch_reserve(epoch *ep, size_t count, err *e)
{
    if (ep->first + ep->count + count <= ep->room) {
        return ERR_OK;
    }
    if (ep->first > 0) {
        for (size_t i = 0; i < ep->count; i++) {
            ep->queue[i] = ep->queue[ep->first + i];
        }
        ep->first = 0;
    }
    if (ep->count + count <= ep->room) {
        return ERR_OK;
    }
    size_t room = (ep->count + count) * 2;
    retired *grown = mem_grow(ep->queue, room, sizeof *grown);
    if (grown == NULL) {
        return err_nomem(e, "the list of replaced memory");
    }
    ep->queue = grown;
    ep->room = room;
    return ERR_OK;
}

void epoch_retire(epoch *ep, pvec_piece piece)
{
    assert(ep->first + ep->count < ep->room);
    ep->queue[ep->first + ep->count++] = (retired){piece, atomic_load(&ep->now)};
}

void epoch_advance(epoch *ep)
{
    atomic_fetch_add(&ep->now, 1);
}

size_t epoch_reclaim(epoch *ep)
{
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < EPOCH_SLOTS; i++) {
        uint64_t at = atomic_load(&ep->slots[i].at);
        oldest = at != 0 && at < oldest ? at : oldest;
    }
    while (ep->count > 0 && ep->queue[ep->first].at < oldest &&
           ep->queue[ep->first].at < atomic_load(&ep->now)) {
        pvec_piece piece = ep->queue[ep->first].piece;
        ep->first++;
        ep->count--;
        piece.release(piece.memory);
    }
    if (ep->count == 0) {
        ep->first = 0;
    }
    return ep->count;
}
