/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed_call: the request and the answer of an embeddings call, as text. Pure.
 *
 *     {"model": "m", "input": ["a", "b"]}  ->  {"data": [{"index": 0, "embedding": [...]}, ...]}
 *
 * The answer is not trusted: embed_answer checks the count, the widths and every number, and bounds
 * the memory that parsing takes.
 */
#ifndef SERVER_EMBED_CALL_H
#define SERVER_EMBED_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"

/* The vectors of one call. */
typedef struct embed_vectors {
    float *numbers; /* (count, width) */
    size_t count;
    uint32_t width;
} embed_vectors;

/* embed_request writes the body; free it with mem_free. The texts must be valid UTF-8. */
err_code embed_request(char **out, size_t *length, const char *model, const slice *texts,
                       size_t count, err *e) ERR_CHECKED;

/* embed_answer reads the body of an answer to `count` texts. `width` is the expected width of the
 * vectors; 0 accepts any width that all share. Free with embed_vectors_fini. ERR_INVALID says what
 * is wrong. */
err_code embed_answer(embed_vectors *out, slice body, size_t count, uint32_t width,
                      err *e) ERR_CHECKED;
void embed_vectors_fini(embed_vectors *v);

/* embed_answer_bytes_max limits the size of an answer to `count` texts. */
size_t embed_answer_bytes_max(size_t count);

#endif
