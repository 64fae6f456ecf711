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

/* The members are private. The struct is public so that others can contain it. */
typedef struct arena {
    arena_block *blocks; /* newest first */
    size_t used;         /* bytes handed out, including alignment */
    size_t bytes_max;
} arena;

/* arena_init allocates nothing. `bytes_max` > 0 limits the sum of all allocations. */
void arena_init(arena *a, size_t bytes_max);

/* arena_limit changes the limit. */
void arena_limit(arena *a, size_t bytes_max);

/* arena_alloc returns `count * size` zeroed bytes aligned for any type, or NULL if memory runs out
 * or the limit is exceeded. A count of 0 gives a non-NULL pointer. Valid until arena_reset or
 * arena_fini. */
void *arena_alloc(arena *a, size_t count, size_t size) __attribute__((warn_unused_result));

/* arena_reserve is mem_reserve for an array in the arena. The smaller copy stays until the arena is
 * reset, so a growing array takes at most twice its last size. */
void *arena_reserve(arena *a, void *old, size_t *room, size_t count, size_t size)
    __attribute__((warn_unused_result));

/* arena_copy duplicates `bytes` bytes, arena_slice a slice. An absent slice stays absent. On
 * failure at == NULL, so test for failure by `from.at != NULL && copy.at == NULL`. */
void *arena_copy(arena *a, const void *from, size_t bytes) __attribute__((warn_unused_result));
slice arena_slice(arena *a, slice from) __attribute__((warn_unused_result));

/* arena_printf formats a NUL-terminated string in the arena, or returns NULL on failure. */
char *arena_printf(arena *a, const char *fmt, ...)
    __attribute__((warn_unused_result, format(printf, 2, 3)));

/* arena_reset invalidates everything and keeps one block for reuse. */
void arena_reset(arena *a);

/* arena_fini frees everything. Call arena_init before using the arena again. It accepts a zeroed
 * struct. */
void arena_fini(arena *a);

#endif
