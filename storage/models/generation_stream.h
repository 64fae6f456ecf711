/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_stream: a generation's tables as one run of bytes, out of a store and into another.
 *
 *   "stairgen", version u8, UUID 16, tables u16, then each table: name length u8, name, bytes u64,
 *   bytes of a user's row u64 (0: no table of users), content; at the end SHA-256 32 of all before
 *
 * Both ends work in transactions of at most 8 MiB, so that neither a reader nor the writer waits
 * for long. What arrives is checked twice: the stream by its own SHA-256, and the tables by the one
 * that their generation was registered with. Rows of users who were erased meanwhile are zeroed
 * before the tables count as complete.
 *
 * Threading: one thread at a time per source and per sink; the store may be in use by others.
 */
#ifndef STORAGE_GENERATION_STREAM_H
#define STORAGE_GENERATION_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "storage/env/store.h"
#include "storage/models/generations.h"

typedef struct generation_source generation_source;

/* generation_source_open begins to read the tables of a registered number; `s` outlives it. *bytes
 * is the length of the stream. ERR_NOT_FOUND where the tables are not in this store. */
err_code generation_source_open(generation_source **out, store *s, uint32_t number, uint64_t *bytes,
                                err *e) ERR_CHECKED;

/* generation_source_read gives the next bytes, at most `room`; *got is 0 at the end. ERR_CORRUPT if
 * the tables were removed meanwhile or are damaged. */
err_code generation_source_read(generation_source *x, void *out, size_t room, size_t *got,
                                err *e) ERR_CHECKED;

/* generation_source_close accepts NULL. */
void generation_source_close(generation_source *x);

typedef struct generation_sink generation_sink;

/* generation_sink_open begins to write the tables of a registered number, in place of any that were
 * left half-written. ERR_NOT_FOUND for a number that is not registered, ERR_CONFLICT where its
 * tables are in this store already. */
err_code generation_sink_open(generation_sink **out, store *s, uint32_t number, err *e) ERR_CHECKED;

/* generation_sink_write takes the next bytes of the stream. ERR_CORRUPT for what cannot be one of
 * this generation, ERR_FULL. After a failure only abort is left. */
err_code generation_sink_write(generation_sink *x, const void *bytes, size_t count,
                               err *e) ERR_CHECKED;

/* generation_sink_finish verifies both sums and makes the tables count; it frees the sink in any
 * case, and after a failure removes what was written. ERR_CORRUPT, ERR_NOT_FOUND if the generation
 * was pruned meanwhile. generation_sink_abort gives up; it accepts NULL. */
err_code generation_sink_finish(generation_sink *x, err *e) ERR_CHECKED;
void generation_sink_abort(generation_sink *x);

#endif
