/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/buffer.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"

enum { FIRST_CAPACITY = 1024 };

void buffer_init(buffer *b, size_t bytes_max)
{
    assert(bytes_max > 0);
    *b = (buffer){.bytes_max = bytes_max};
}

void buffer_init_fixed(buffer *b, char *memory, size_t bytes)
{
    *b = (buffer){.at = memory, .capacity = bytes, .bytes_max = bytes};
}

void buffer_fini(buffer *b)
{
    mem_free(b->at);
    if (b->taken > 0) {
        budget_give(b->budget, b->caller, b->taken);
        b->taken = 0;
    }
    b->at = NULL;
    b->length = b->capacity = 0;
}

void buffer_reset(buffer *b, size_t keep_bytes)
{
    if (b->capacity > keep_bytes) {
        buffer_fini(b);
    }
    b->length = 0;
    b->failed = ERR_OK;
}

static bool take(buffer *b, size_t capacity)
{
    if (b->budget == NULL || capacity <= BUFFER_FREE_BYTES) {
        return true;
    }
    if (!budget_take(b->budget, b->caller, capacity - b->taken)) {
        return false;
    }
    b->taken = capacity;
    return true;
}

/* grown_capacity at least doubles the capacity, so that each byte is copied a bounded number of
 * times. It never exceeds the limit. */
static size_t grown_capacity(const buffer *b, size_t wanted)
{
    size_t capacity = b->capacity > 0 ? b->capacity : FIRST_CAPACITY;
    while (capacity < wanted) {
        capacity = capacity < b->bytes_max / 2 ? 2 * capacity : b->bytes_max;
    }
    return capacity < b->bytes_max ? capacity : b->bytes_max;
}

static void grow(buffer *b, size_t wanted)
{
    size_t capacity = grown_capacity(b, wanted);
    if (!take(b, capacity)) {
        b->failed = ERR_UNAVAILABLE;
        return;
    }
    char *grown = mem_grow(b->at, capacity, 1);
    if (grown == NULL) {
        b->failed = ERR_NOMEM;
        return;
    }
    b->at = grown;
    b->capacity = capacity;
}

char *buffer_reserve(buffer *b, size_t more)
{
    if (b->failed == ERR_OK && more > b->bytes_max - b->length) {
        b->failed = ERR_TOO_LARGE;
    }
    if (b->failed == ERR_OK && (more > b->capacity - b->length || b->at == NULL)) {
        grow(b, b->length + more);
    }
    return b->failed == ERR_OK ? b->at + b->length : NULL;
}

void buffer_put_growing(buffer *b, const void *bytes, size_t count)
{
    char *at = buffer_reserve(b, count);
    if (at != NULL && count > 0) {
        memcpy(at, bytes, count);
        b->length += count;
    }
}
