/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/models/words_store.h"

#include "core/common/mem.h"
#include "storage/models/generations.h"

#define BLOB_OF_WORDS "words"

err_code words_put(store *s, const generation_id *generation, const word_space *w, err *e)
{
    size_t bytes = 0;
    const void *from = w != NULL ? words_bytes(w, &bytes) : NULL;
    return w != NULL ? generation_put(s, generation, BLOB_OF_WORDS, from, bytes, 0, e) : ERR_OK;
}

err_code words_get(store *s, uint32_t generation, word_space **out, err *e)
{
    store_read *r = NULL;
    size_t bytes = 0;
    err none = ERR_INIT;
    *out = NULL;
    err_code code = store_read_begin(s, &r, e);
    if (code != ERR_OK) {
        return code;
    }
    code = generation_blob_bytes(r, generation, BLOB_OF_WORDS, &bytes, &none);
    if (code != ERR_OK) {
        store_read_end(r);
        return code == ERR_NOT_FOUND ? ERR_OK : err_set(e, code, "%s", none.text);
    }
    void *to = bytes <= WORDS_BYTES_MAX ? mem_array(bytes, 1) : NULL;
    if (bytes > WORDS_BYTES_MAX) {
        code = err_set(e, ERR_CORRUPT,
                       "generation %u: its words have %zu bytes, which is out of range", generation,
                       bytes);
    } else if (to == NULL) {
        code = err_nomem(e, "the vocabulary");
    } else {
        code = generation_blob_read(r, generation, BLOB_OF_WORDS, 0, to, bytes, e);
    }
    store_read_end(r);
    if (code != ERR_OK) {
        mem_free(to);
        return code;
    }
    return words_open(out, to, bytes, e);
}
