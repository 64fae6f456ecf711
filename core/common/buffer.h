/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer: bytes that grow at their end, up to a limit.
 *
 * JSON answers, encoded records, log lines and received bodies are written through buffers. The
 * limit is set at the start, so no input makes a buffer grow without bound. A buffer can be emptied
 * and reused, so that in the steady state nothing is allocated.
 *
 * A buffer remembers its first failure (no memory, or the limit is reached) and ignores later
 * writes. So a caller writes everything and checks `failed` once, at the end.
 *
 * A buffer may take its memory from a budget that many share. A small buffer takes nothing from it,
 * so that small requests always succeed. One thread at a time.
 */
#ifndef CORE_BUFFER_H
#define CORE_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/common/budget.h"
#include "core/common/err.h"
#include "core/common/slice.h"

/* A capacity up to this takes nothing from a budget. */
enum { BUFFER_FREE_BYTES = 16 * 1024 };

typedef struct buffer {
    char *at; /* (length) bytes, not NUL-terminated; NULL before the first write */
    size_t length;
    size_t capacity;
    size_t bytes_max;
    err_code failed; /* ERR_OK, ERR_NOMEM, ERR_TOO_LARGE (over bytes_max) or ERR_UNAVAILABLE (no
                        bytes left in the budget) */
    /* the budget for capacities beyond BUFFER_FREE_BYTES, taken for `caller`; NULL: none */
    budget *budget;
    uint64_t caller;
    size_t taken; /* bytes taken from the budget */
} buffer;

/* buffer_init allocates nothing; bytes_max > 0. buffer_fini frees the memory and leaves an empty
 * buffer. */
void buffer_init(buffer *b, size_t bytes_max);
void buffer_fini(buffer *b);

/* buffer_init_fixed writes into the caller's `bytes` bytes and never allocates. It needs no
 * buffer_fini. */
void buffer_init_fixed(buffer *b, char *memory, size_t bytes);

/* buffer_reset empties the buffer and clears a failure. It keeps the memory unless that is more
 * than `keep_bytes`. */
void buffer_reset(buffer *b, size_t keep_bytes);

/* buffer_reserve makes room for `more` bytes at the end, which the caller writes and adds to
 * `length`. It returns NULL once the buffer has failed. */
char *buffer_reserve(buffer *b, size_t more);

/* buffer_put appends `count` bytes, buffer_put_text a NUL-terminated string. Where there is room,
 * as nearly always, they are a copy of what is mostly a constant, so they are inlined. */
void buffer_put_growing(buffer *b, const void *bytes, size_t count);

static inline void buffer_put(buffer *b, const void *bytes, size_t count)
{
    if (b->failed == ERR_OK && count < b->capacity - b->length) {
        if (count > 0) { /* an empty text may be NULL */
            memcpy(b->at + b->length, bytes, count);
            b->length += count;
        }
    } else {
        buffer_put_growing(b, bytes, count);
    }
}

static inline void buffer_put_text(buffer *b, const char *text)
{
    buffer_put(b, text, strlen(text));
}

/* buffer_slice borrows the content until the next write. */
static inline slice buffer_slice(const buffer *b)
{
    return (slice){b->at, b->length};
}

#endif
