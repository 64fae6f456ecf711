/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: many small allocations that are freed together, with a limit.
 *
 * A request's op, an op's results and a decoded record each consist of dozens of strings and lists
 * with the same lifetime. An arena allocates them from blocks and frees them in one call. Every
 * arena has a limit, so no input makes it grow without bound. One thread at a time.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/slice.h"

typedef struct arena_block arena_block;

/* Members are private; the struct is public so that it can live inside others. */
typedef struct arena {
    arena_block *blocks; /* newest first */
    size_t used;         /* bytes handed out, with alignment */
    size_t bytes_max;
} arena;

/* arena_init allocates nothing. `bytes_max` is the ceiling of all that is handed out, > 0. */
void arena_init(arena *a, size_t bytes_max);

/* arena_limit changes the ceiling. */
void arena_limit(arena *a, size_t bytes_max);

/* arena_alloc gives `count * size` zeroed bytes aligned for any type, or NULL: out of memory or
 * over the ceiling. A count of 0 gives a non-NULL pointer. Valid until arena_reset or _fini. */
void *arena_alloc(arena *a, size_t count, size_t size) __attribute__((warn_unused_result));

/* arena_reserve is mem_reserve for an array in the arena: the smaller copy stays until the arena
 * is reset, so an array that grows takes at most twice its last room. */
void *arena_reserve(arena *a, void *old, size_t *room, size_t count, size_t size)
    __attribute__((warn_unused_result));

/* arena_copy duplicates `bytes` bytes; arena_slice a slice (absent stays absent: then, and on
 * failure, at == NULL; so test `from.at != NULL && copy.at == NULL` for failure). */
void *arena_copy(arena *a, const void *from, size_t bytes) __attribute__((warn_unused_result));
slice arena_slice(arena *a, slice from) __attribute__((warn_unused_result));

/* arena_printf formats a NUL-terminated string into the arena; NULL on failure. */
char *arena_printf(arena *a, const char *fmt, ...)
    __attribute__((warn_unused_result, format(printf, 2, 3)));

/* arena_reset makes everything invalid and keeps one block for the next use. */
void arena_reset(arena *a);

/* arena_fini frees all; the arena may be used again after arena_init. Accepts a zeroed struct. */
void arena_fini(arena *a);

#endif
