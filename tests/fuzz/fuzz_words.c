/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with any bytes, and stored vocabularies with any bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/words/tokens.h"
#include "core/words/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void *ctx, const token *t)
{
    size_t *told = ctx;
    ++*told;
    if (t->count == 0 || t->count > 2 * TOKEN_CHARACTERS_MAX ||
        t->hash != tokens_hash(t->characters, t->count, 1)) {
        abort();
    }
}

static void encode(const word_space *w, slice text)
{
    static words_scratch *s;
    float x[WORDS_WIDTH];
    words_document d = {.title = text, .description = text, .categories = &text};
    d.category_count = 1;
    if (s == NULL && words_scratch_new(&s, NULL) != ERR_OK) {
        return;
    }
    (void)words_encode(w, &d, s, x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = {(const char *)data, size};
    for (unsigned version = 1; version <= TOKENS_VERSION; version++) {
        size_t told = 0;
        tokens_each(text, version, check, &told);
        if (told > TOKENS_MAX) {
            abort();
        }
    }
    word_space *w = NULL;
    void *bytes = mem_copy(data, size);
    if (bytes != NULL && words_open(&w, bytes, size, NULL) == ERR_OK) {
        encode(w, text);
        words_free(w);
    }
    return 0;
}
