/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words_load: reads the stored items' texts, to fit the vocabulary and to encode items.
 *
 * Items are read in short transactions of a few thousand rows, so that a training beside a live
 * server holds no page for long. An item that changes meanwhile is read in its state at that
 * moment.
 */
#ifndef SERVER_WORDS_LOAD_H
#define SERVER_WORDS_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/model/features.h"
#include "core/serve/state/cold_words.h"
#include "core/words/words_fit.h"
#include "storage/env/store.h"

/* item_content_get reads an item's vectors and texts, copied into `a`. For an unused row or a
 * deleted item it returns nothing. */
err_code item_content_get(store_read *r, uint32_t row, arena *a, item_content *out,
                          err *e) ERR_CHECKED;

/* words_fit_store fits words on all items of the store; *out is NULL if no item has a word. */
err_code words_fit_store(word_space **out, store *s, const words_fit_options *o,
                         err *e) ERR_CHECKED;

/* The stored items as rows of a modality. `words` and `s` are borrowed. */
typedef struct words_rows {
    store *s;
    const word_space *words;
    size_t rows;
    /* (rows, WORDS_WIDTH) encoded rows, as integers of 1 / 32767; NULL: encode at every read */
    int16_t *kept;
} words_rows;

/* words_rows_source makes a source that borrows `x`, with x->rows rows. An item without a known
 * word is missing. */
feature_source words_rows_source(words_rows *x);

/* words_rows_keep encodes all rows once, for a reader that reads them several times. */
err_code words_rows_keep(words_rows *x, err *e) ERR_CHECKED;
void words_rows_fini(words_rows *x);

#endif
