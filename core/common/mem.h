/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem: the functions through which all code here allocates memory.
 *
 * They exist so that tests can make the n-th allocation fail (mem_fail_at), and so that count times
 * size is checked for overflow in one place. Nothing here exits: a failed allocation returns NULL,
 * and the caller reports ERR_NOMEM.
 *
 * Thread-safe, except mem_fail_at, which a test calls before it starts threads.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stddef.h>

/* Alignment of every float table, in bytes: one cache line, one AVX-512 register. */
enum { MEM_ALIGN = 64 };

/* mem_array returns `count * size` zeroed bytes, or NULL if that overflows or memory runs out. A
 * count of 0 gives a pointer that can be freed. */
void *mem_array(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* mem_table is mem_array aligned to MEM_ALIGN, for tables that kernels read. Large tables ask the
 * kernel for huge pages. Free with mem_free. */
void *mem_table(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* mem_table_unset is mem_table without zeros, for tables that are written before they are read. */
void *mem_table_unset(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* mem_grow resizes to `count * size` bytes and keeps the content; new bytes are not zeroed. On
 * failure it returns NULL, and `old` stays valid. Not for memory of mem_table. */
void *mem_grow(void *old, size_t count, size_t size) __attribute__((warn_unused_result));

/* mem_reserve makes room for `count` (> 0) elements in an array that grows at its end. It returns
 * `old` if `*room` elements suffice. Otherwise it at least doubles the capacity, keeps the content
 * and updates `*room`. New elements are not zeroed. On failure, also by overflow, it returns NULL,
 * and `old` and `*room` stay valid. */
void *mem_reserve(void *old, size_t *room, size_t count, size_t size)
    __attribute__((warn_unused_result));

/* mem_room returns the capacity that mem_reserve chooses for `count` elements instead of `room`, or
 * 0 if it overflows. For arrays in other memory. */
size_t mem_room(size_t room, size_t count);

/* mem_copy duplicates `bytes` bytes. mem_string duplicates `length` bytes and adds a NUL. */
void *mem_copy(const void *from, size_t bytes) __attribute__((malloc, warn_unused_result));
char *mem_string(const char *from, size_t length) __attribute__((malloc, warn_unused_result));

/* mem_free accepts NULL. */
void mem_free(void *memory);

/* mem_fail_at lets `successes` more allocations succeed and makes all later ones fail, until it is
 * called with -1. For tests. */
void mem_fail_at(long successes);

#endif
