/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_stream: a generation's tables as a byte stream, to copy them from one store to
 * another.
 *
 *   "stairgen", version u8, UUID 16, tables u16, then each table: name length u8, name, bytes u64,
 *   bytes of a user's row u64 (0: no table of users), content; at the end SHA-256 32 of all before
 *
 * Both ends use transactions of at most 8 MiB, so that neither a reader nor the writer waits for
 * long. The receiver checks the stream by its own SHA-256, and the tables by the SHA-256 that their
 * generation was registered with. Rows of users who were erased meanwhile are zeroed before the
 * tables count as complete.
 *
 * Threading: one thread at a time per source and per sink; others may use the store.
 */
#ifndef STORAGE_GENERATION_STREAM_H
#define STORAGE_GENERATION_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"
#include "storage/models/generations.h"

typedef struct generation_source generation_source;

/* generation_source_open begins to read the tables of a registered number. `s` must outlive it.
 * *bytes is the length of the stream. ERR_NOT_FOUND: the tables are not in this store. */
err_code generation_source_open(generation_source **out, store *s, uint32_t number, uint64_t *bytes,
                                err *e) ERR_CHECKED;

/* generation_source_read returns the next bytes, at most `room`. *got is 0 at the end. ERR_CORRUPT:
 * the tables were removed meanwhile or are damaged. */
err_code generation_source_read(generation_source *x, void *out, size_t room, size_t *got,
                                err *e) ERR_CHECKED;

/* generation_source_close accepts NULL. */
void generation_source_close(generation_source *x);

typedef struct generation_sink generation_sink;

/* generation_sink_open begins to write the tables of a registered number, and removes unfinished
 * ones. ERR_NOT_FOUND: the number is not registered. ERR_CONFLICT: this store already has its
 * tables. */
err_code generation_sink_open(generation_sink **out, store *s, uint32_t number, err *e) ERR_CHECKED;

/* generation_sink_write takes the next bytes of the stream. ERR_CORRUPT: the bytes cannot belong to
 * this generation. ERR_FULL. After a failure only generation_sink_abort may be called. */
err_code generation_sink_write(generation_sink *x, const void *bytes, size_t count,
                               err *e) ERR_CHECKED;

/* generation_sink_finish verifies both sums and completes the tables. It frees the sink in any
 * case, and after a failure removes what was written. ERR_CORRUPT. ERR_NOT_FOUND: the generation
 * was pruned meanwhile. generation_sink_abort discards the sink; it accepts NULL. */
err_code generation_sink_finish(generation_sink *x, err *e) ERR_CHECKED;
void generation_sink_abort(generation_sink *x);

#endif
