/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed_call: the request and the answer of an embeddings call, as text. Pure.
 *
 *     {"model": "m", "input": ["a", "b"]}  ->  {"data": [{"index": 0, "embedding": [...]}, ...]}
 *
 * The answer is not trusted: its count, its widths and every number are checked.
 */
#ifndef SERVER_EMBED_CALL_H
#define SERVER_EMBED_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"

/* Vectors of a call. */
typedef struct embed_vectors {
    float *numbers; /* (count, width) */
    size_t count;
    uint32_t width;
} embed_vectors;

/* embed_request writes the body; free it with mem_free. The texts are valid UTF-8. */
err_code embed_request(char **out, size_t *length, const char *model, const slice *texts,
                       size_t count, err *e) ERR_CHECKED;

/* embed_answer reads a body for `count` texts. `width` is what the vectors are expected to have, 0
 * for any that all share. Free with embed_vectors_fini. ERR_INVALID names what is wrong. */
err_code embed_answer(embed_vectors *out, slice body, size_t count, uint32_t width,
                      err *e) ERR_CHECKED;
void embed_vectors_fini(embed_vectors *v);

/* embed_answer_bytes_max bounds the answer for so many texts. */
size_t embed_answer_bytes_max(size_t count);

#endif
