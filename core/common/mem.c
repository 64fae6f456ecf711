/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/mem.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Tables of this size and more use huge pages, which cause fewer TLB misses in random access. */
enum { HUGE_TABLE_BYTES = 4 * 1024 * 1024, HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

/* The smallest capacity of an array that grows. */
enum { ROOM_FIRST = 16 };

static atomic_long allocations_left = LONG_MAX;

static bool may_allocate(void)
{
    if (atomic_load_explicit(&allocations_left, memory_order_relaxed) == LONG_MAX) {
        return true;
    }
    return atomic_fetch_sub(&allocations_left, 1) > 0;
}

void *mem_array(size_t count, size_t size)
{
    if (!may_allocate()) {
        return NULL;
    }
    return calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}

void *mem_table_unset(size_t count, size_t size)
{
    size_t bytes = 0;
    if (!may_allocate() || __builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX) {
        return NULL;
    }
    size_t align = bytes >= HUGE_TABLE_BYTES ? HUGE_PAGE_BYTES : MEM_ALIGN;
    void *table = NULL;
    if (posix_memalign(&table, align, bytes > 0 ? bytes : 1) != 0) {
        return NULL;
    }
    if (bytes >= HUGE_TABLE_BYTES) {
        (void)madvise(table, bytes, MADV_HUGEPAGE); /* a hint: slower without, never wrong */
    }
    return table;
}

void *mem_table(size_t count, size_t size)
{
    void *table = mem_table_unset(count, size);
    if (table != NULL) {
        memset(table, 0, count * size);
    }
    return table;
}

void *mem_grow(void *old, size_t count, size_t size)
{
    size_t bytes = 0;
    if (!may_allocate() || __builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX) {
        return NULL;
    }
    return realloc(old, bytes > 0 ? bytes : 1);
}

size_t mem_room(size_t room, size_t count)
{
    size_t twice = 0;
    if (__builtin_mul_overflow(room, (size_t)2, &twice)) {
        return 0;
    }
    twice = twice > ROOM_FIRST ? twice : ROOM_FIRST;
    return twice > count ? twice : count;
}

void *mem_reserve(void *old, size_t *room, size_t count, size_t size)
{
    if (count <= *room) {
        return old;
    }
    size_t wanted = mem_room(*room, count);
    void *grown = wanted > 0 ? mem_grow(old, wanted, size) : NULL;
    *room = grown != NULL ? wanted : *room;
    return grown;
}

void *mem_copy(const void *from, size_t bytes)
{
    void *copy = mem_array(bytes, 1);
    if (copy != NULL && bytes > 0) {
        memcpy(copy, from, bytes);
    }
    return copy;
}

char *mem_string(const char *from, size_t length)
{
    if (length == SIZE_MAX) {
        return NULL;
    }
    char *copy = mem_array(length + 1, 1);
    if (copy != NULL && length > 0) {
        memcpy(copy, from, length);
    }
    return copy;
}

void mem_free(void *memory)
{
    free(memory);
}

void mem_fail_at(long successes)
{
    atomic_store(&allocations_left, successes < 0 ? LONG_MAX : successes);
}
