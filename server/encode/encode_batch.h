/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_batch: the items of one call to the encoder, and their texts.
 *
 * Private to encode_run; one thread at a time.
 */
#ifndef SERVER_ENCODE_BATCH_H
#define SERVER_ENCODE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/slice.h"
#include "server/encode/embed_call.h"
#include "storage/env/store.h"
#include "storage/records/items.h"

enum { ENCODE_BATCH_MAX = 512 };

/* The rows of one call, and what was read of their items. */
typedef struct encode_batch {
    struct encode_batch *next;
    size_t count;
    uint32_t rows[ENCODE_BATCH_MAX];
    bool probe; /* the call encodes one plain word instead of rows */
    /* valid from the start of its call */
    arena memory;
    size_t asked; /* how many of `rows` still need a vector; the next arrays have this length */
    uint32_t asked_rows[ENCODE_BATCH_MAX];
    uint64_t hashes[ENCODE_BATCH_MAX];
    slice ids[ENCODE_BATCH_MAX], texts[ENCODE_BATCH_MAX];
    size_t emptied; /* items that have lost their text, and so lose their vector */
    slice emptied_ids[ENCODE_BATCH_MAX];
    embed_vectors vectors; /* the answer, once it has arrived */
} encode_batch;

/* encode_batch_new makes an empty batch, or returns NULL if memory runs out. encode_batch_free
 * accepts NULL. */
encode_batch *encode_batch_new(void);
void encode_batch_free(encode_batch *b);

/* What reading texts needs. With `replace`, texts that the encoder has encoded before are read
 * too. */
typedef struct encode_texts encode_texts;
err_code encode_texts_new(encode_texts **out, slice name, bool replace, err *e) ERR_CHECKED;
void encode_texts_free(encode_texts *x); /* accepts NULL */

/* encode_texts_pending tells, inside a read transaction, whether an item waits for its vector. */
bool encode_texts_pending(encode_texts *x, store_read *read, const stored_item *it);

/* encode_batch_read reads the texts that still need a vector, and the width of the modality (0 if
 * it has none yet). */
err_code encode_batch_read(encode_batch *b, encode_texts *x, store *s, uint32_t *width,
                           err *e) ERR_CHECKED;

#endif
