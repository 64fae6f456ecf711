/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/words.h"

#include <math.h>
#include <string.h>

#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/words/tokens.h"
#include "core/words/words_parts.h"

struct words_scratch {
    bag *bag;
    size_t count;
    uint32_t terms[BAG_TERMS_MAX];
    float factors[BAG_TERMS_MAX];
};

float words_term_weight(uint64_t items, uint32_t item_count)
{
    return (float)log((1 + (double)items) / (1 + (double)item_count)) + 1;
}

float words_frequency_weight(float frequency)
{
    return log2f(1 + frequency);
}

size_t words_find(const word_space *w, uint64_t hash)
{
    for (size_t at = hash & w->slot_mask; w->slots[at] != 0; at = (at + 1) & w->slot_mask) {
        if (w->hashes[w->slots[at] - 1] == hash) {
            return w->slots[at] - 1;
        }
    }
    return SIZE_MAX;
}

static err_code read_header(word_space *w, size_t count, err *e)
{
    words_header h;
    if (count < sizeof h) {
        return err_set(e, ERR_CORRUPT, "words: %zu bytes are too few for a header", count);
    }
    memcpy(&h, w->memory, sizeof h);
    if (memcmp(h.magic, WORDS_MAGIC, sizeof h.magic) != 0 || h.version < 1 ||
        h.version > TOKENS_VERSION || h.width != WORDS_WIDTH) {
        return err_set(e, ERR_CORRUPT, "words: version %u with width %u is unknown", h.version,
                       h.width);
    }
    size_t term = WORDS_WIDTH * sizeof *w->vectors + sizeof *w->hashes + sizeof *w->item_counts +
                  sizeof *w->scales;
    if (h.terms > UINT32_MAX / 2 || count != WORDS_HEADER_BYTES + h.terms * term) {
        return err_set(e, ERR_CORRUPT, "words: %zu bytes do not hold %llu terms", count,
                       (unsigned long long)h.terms);
    }
    w->terms = (size_t)h.terms;
    w->items = h.items;
    w->version = h.version;
    w->bytes = count;
    w->vectors = (const int16_t *)(w->memory + WORDS_HEADER_BYTES);
    w->hashes = (const uint64_t *)(w->vectors + w->terms * WORDS_WIDTH);
    w->item_counts = (const uint32_t *)(w->hashes + w->terms);
    w->scales = (const void *)(w->item_counts + w->terms);
    return ERR_OK;
}

static err_code make_tables(word_space *w, err *e)
{
    size_t slots = 16;
    while (slots < w->terms + w->terms / 2) {
        slots *= 2;
    }
    w->slot_mask = slots - 1;
    w->slots = mem_array(slots, sizeof *w->slots);
    w->weights = mem_array(w->terms, sizeof *w->weights);
    if (w->slots == NULL || w->weights == NULL) {
        return err_nomem(e, "the vocabulary");
    }
    for (size_t t = 0; t < w->terms; t++) {
        if (!isfinite(w->scales[t]) || (t > 0 && w->hashes[t] <= w->hashes[t - 1])) {
            return err_set(e, ERR_CORRUPT, "words: term %zu is damaged", t);
        }
        size_t at = w->hashes[t] & w->slot_mask;
        while (w->slots[at] != 0) {
            at = (at + 1) & w->slot_mask;
        }
        w->slots[at] = (uint32_t)t + 1;
        w->weights[t] = words_term_weight(w->items, w->item_counts[t]);
    }
    return ERR_OK;
}

err_code words_open(word_space **out, void *bytes, size_t count, err *e)
{
    word_space *w = mem_array(1, sizeof *w);
    *out = NULL;
    if (w == NULL) {
        mem_free(bytes);
        return err_nomem(e, "the vocabulary");
    }
    w->memory = bytes;
    err_code code = read_header(w, count, e);
    if (code == ERR_OK) {
        code = make_tables(w, e);
    }
    if (code != ERR_OK) {
        words_free(w);
        return code;
    }
    *out = w;
    return ERR_OK;
}

void words_free(word_space *w)
{
    if (w != NULL) {
        mem_free(w->memory);
        mem_free(w->weights);
        mem_free(w->slots);
        mem_free(w);
    }
}

const void *words_bytes(const word_space *w, size_t *count)
{
    *count = w->bytes;
    return w->memory;
}

size_t words_terms(const word_space *w)
{
    return w->terms;
}

size_t words_memory(const word_space *w)
{
    return w->bytes + w->terms * sizeof *w->weights + (w->slot_mask + 1) * sizeof *w->slots;
}

err_code words_scratch_new(words_scratch **out, err *e)
{
    words_scratch *s = mem_grow(NULL, 1, sizeof *s); /* unset: words_encode sets what it uses */
    *out = NULL;
    err_code code = s != NULL ? bag_new(&s->bag, e) : err_nomem(e, "an item's words");
    if (code != ERR_OK) {
        mem_free(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void words_scratch_free(words_scratch *s)
{
    if (s != NULL) {
        bag_free(s->bag);
        mem_free(s);
    }
}

static bool is_rare(const void *ctx, uint64_t hash)
{
    const word_space *w = ctx;
    size_t term = words_find(w, hash);
    return term == SIZE_MAX || w->item_counts[term] < WORDS_RARE_ITEMS;
}

/* Eight 16-bit integers, converted to floats and added with a factor. */
typedef int16_t quarter __attribute__((vector_size(16)));
typedef int16_t quarter_any __attribute__((vector_size(16), aligned(2), may_alias));

/* add_terms sums factor times vector over the terms, 64 columns at a time, so that the sums stay in
 * registers. */
KERNEL_CLONES static void add_terms(const word_space *w, const words_scratch *s, float *out)
{
    for (size_t j = 0; j < WORDS_WIDTH; j += KERNEL_COLUMNS) {
        kernel_vec sum[KERNEL_VECTORS];
        kernel_clear(sum);
        for (size_t i = 0; i < s->count; i++) {
            const int16_t *from = w->vectors + (size_t)s->terms[i] * WORDS_WIDTH + j;
            for (size_t v = 0; v < KERNEL_VECTORS; v++) {
                quarter q = *(const quarter_any *)(from + v * KERNEL_LANES);
                sum[v] += s->factors[i] * __builtin_convertvector(q, kernel_vec);
            }
        }
        for (size_t v = 0; v < KERNEL_VECTORS; v++) {
            kernel_store(out + j + v * KERNEL_LANES, &sum[v], KERNEL_LANES);
        }
    }
}

size_t words_encode(const word_space *w, const words_document *d, words_scratch *s, float *out)
{
    size_t count = 0;
    bag_fill(s->bag, d, &(bag_options){w->version, is_rare, w});
    const bag_term *terms = bag_terms(s->bag, &count);
    s->count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t term = words_find(w, terms[i].hash);
        if (term != SIZE_MAX) {
            const char *line = (const char *)(w->vectors + term * WORDS_WIDTH);
            for (size_t at = 0; at < WORDS_WIDTH * sizeof *w->vectors; at += 64) {
                __builtin_prefetch(line + at);
            }
            s->terms[s->count] = (uint32_t)term;
            s->factors[s->count++] =
                w->weights[term] * w->scales[term] * words_frequency_weight(terms[i].frequency);
        }
    }
    add_terms(w, s, out);
    float square = 0;
    for (size_t j = 0; j < WORDS_WIDTH; j++) {
        square += out[j] * out[j];
    }
    for (size_t j = 0; j < WORDS_WIDTH; j++) {
        out[j] = square > 0 ? out[j] / sqrtf(square) : 0;
    }
    return square > 0 ? s->count : 0;
}
