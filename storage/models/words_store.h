/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words_store: stores the encoder of texts (vocabulary and directions) as a blob of its generation.
 */
#ifndef STORAGE_WORDS_STORE_H
#define STORAGE_WORDS_STORE_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/words/words.h"
#include "storage/env/store.h"
#include "storage/models/generations.h"

/* words_put writes into a generation that is building. NULL writes nothing. */
err_code words_put(store *s, const generation_id *generation, const word_space *w,
                   err *e) ERR_CHECKED;

/* words_get reads the encoder. For a generation without one it returns ERR_OK, and *out is NULL.
 * Free with words_free. ERR_CORRUPT. */
err_code words_get(store *s, uint32_t generation, word_space **out, err *e) ERR_CHECKED;

#endif
