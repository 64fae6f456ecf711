/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"

enum { ARENA_ALIGN = 16, BLOCK_BYTES = 4096 - 64 };

struct arena_block {
    arena_block *next;
    size_t size;
    size_t used;
    size_t pad; /* unused; keeps `bytes` aligned */
    unsigned char bytes[];
};

void arena_init(arena *a, size_t bytes_max)
{
    assert(bytes_max > 0);
    a->blocks = NULL;
    a->used = 0;
    a->bytes_max = bytes_max;
}

/* add_block adds a block twice as large as the last, so that a large arena has few blocks. A
 * request that is larger than that gets a block of its own size. */
static arena_block *add_block(arena *a, size_t bytes)
{
    size_t size = a->blocks != NULL ? a->blocks->size * 2 : BLOCK_BYTES;
    if (size > 1024 * 1024) {
        size = 1024 * 1024;
    }
    if (size < bytes) {
        size = bytes;
    }
    arena_block *block = mem_array(1, sizeof *block + size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    block->next = a->blocks;
    a->blocks = block;
    return block;
}

void *arena_alloc(arena *a, size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > a->bytes_max) {
        return NULL;
    }
    bytes = bytes > 0 ? (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN : ARENA_ALIGN;
    if (bytes > a->bytes_max - a->used) {
        return NULL;
    }
    arena_block *block = a->blocks;
    if (block == NULL || block->size - block->used < bytes) {
        block = add_block(a, bytes);
        if (block == NULL) {
            return NULL;
        }
    }
    void *given = block->bytes + block->used;
    block->used += bytes;
    a->used += bytes;
    return given;
}

void *arena_reserve(arena *a, void *old, size_t *room, size_t count, size_t size)
{
    if (count <= *room) {
        return old;
    }
    size_t wanted = mem_room(*room, count);
    void *grown = wanted > 0 ? arena_alloc(a, wanted, size) : NULL;
    if (grown == NULL) {
        return NULL;
    }
    if (*room > 0) {
        memcpy(grown, old, *room * size);
    }
    *room = wanted;
    return grown;
}

void *arena_copy(arena *a, const void *from, size_t bytes)
{
    void *copy = arena_alloc(a, bytes, 1);
    if (copy != NULL && bytes > 0) {
        memcpy(copy, from, bytes);
    }
    return copy;
}

slice arena_slice(arena *a, slice from)
{
    slice copy = {NULL, 0};
    if (from.at != NULL) {
        copy.at = arena_copy(a, from.at, from.length);
        copy.length = copy.at != NULL ? from.length : 0;
    }
    return copy;
}

char *arena_printf(arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0) {
        return NULL;
    }
    char *made = arena_alloc(a, (size_t)length + 1, 1);
    if (made != NULL) {
        va_start(args, fmt);
        vsnprintf(made, (size_t)length + 1, fmt, args);
        va_end(args);
    }
    return made;
}

void arena_limit(arena *a, size_t bytes_max)
{
    a->bytes_max = bytes_max;
}

void arena_reset(arena *a)
{
    arena_block *keep = a->blocks;
    if (keep == NULL) {
        return;
    }
    for (arena_block *block = keep->next; block != NULL;) {
        arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
    keep->next = NULL;
    memset(keep->bytes, 0, keep->used);
    keep->used = 0;
    a->used = 0;
}

void arena_fini(arena *a)
{
    for (arena_block *block = a->blocks; block != NULL;) {
        arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
    a->blocks = NULL;
    a->used = 0;
}
