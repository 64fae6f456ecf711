/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/words_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/common/sparse.h"
#include "core/words/subspace.h"
#include "core/words/term_counts.h"
#include "core/words/tokens.h"
#include "core/words/words_parts.h"

enum {
    SAMPLE = 200000, /* the most rows of the matrix, about */
    COLUMNS = 416,
    ROUNDS = 3,
    SEED = 1,
    /* a pair or a run of characters that occurs in one item relates it to no other item */
    ITEMS_OF_PAIR = 2,
};

/* A kept term, before it has a direction. */
typedef struct kept {
    uint64_t hash;
    uint32_t items;
} kept;

typedef struct fit {
    const words_source *source;
    const words_fit_options *o;
    unsigned version; /* of the tokenizer */
    bag *bag;
    uint64_t items;
    term_counts counts;
    kept *terms; /* (term_count) by hash */
    size_t term_count;
    word_space known; /* hashes, counts, weights and slots of the terms, without vectors */
    /* the matrix while it is built */
    csr *a;
    size_t room, row_room, stride;
    uint64_t row;
    char *memory; /* header, then the directions x (terms, COLUMNS) */
} fit;

static bool is_rare(const void *ctx, uint64_t hash)
{
    const fit *f = ctx;
    size_t term = words_find(&f->known, hash);
    return term == SIZE_MAX || f->known.item_counts[term] < WORDS_RARE_ITEMS;
}

static err_code count_words(void *ctx, const words_document *d, err *e)
{
    fit *f = ctx;
    size_t count = 0;
    bag_fill(f->bag, d, &(bag_options){.tokens = f->version});
    const bag_term *terms = bag_terms(f->bag, &count);
    f->items++;
    return term_counts_add(&f->counts, terms, count, BAG_WORDS, e);
}

static err_code count_others(void *ctx, const words_document *d, err *e)
{
    fit *f = ctx;
    size_t count = 0;
    bag_fill(f->bag, d, &(bag_options){f->version, is_rare, f});
    const bag_term *terms = bag_terms(f->bag, &count);
    return term_counts_add(&f->counts, terms, count, BAG_OTHERS, e);
}

static double worth(const term_count *t, uint64_t items)
{
    double weight = (double)words_term_weight(items, t->items);
    return t->items * weight * weight;
}

static int by_worth(const void *a, const void *b, void *ctx)
{
    const term_count *one = a, *other = b;
    double first = worth(one, *(uint64_t *)ctx), second = worth(other, *(uint64_t *)ctx);
    if (first != second) {
        return first > second ? -1 : 1;
    }
    return (one->hash > other->hash) - (one->hash < other->hash);
}

static int by_hash(const void *a, const void *b)
{
    const kept *one = a, *other = b;
    return (one->hash > other->hash) - (one->hash < other->hash);
}

static void forget_known(fit *f)
{
    mem_free(f->terms);
    mem_free((void *)f->known.hashes);
    mem_free((void *)f->known.item_counts);
    mem_free(f->known.slots);
    f->terms = NULL;
    f->known = (word_space){0};
}

/* know builds the table that finds terms. */
static err_code know(fit *f, err *e)
{
    size_t slots = 16;
    while (slots < f->term_count + f->term_count / 2) {
        slots *= 2;
    }
    uint64_t *hashes = mem_array(f->term_count, sizeof *hashes);
    uint32_t *counts = mem_array(f->term_count, sizeof *counts);
    uint32_t *table = mem_array(slots, sizeof *table);
    f->known = (word_space){.terms = f->term_count,
                            .slot_mask = slots - 1,
                            .hashes = hashes,
                            .item_counts = counts,
                            .slots = table};
    if (hashes == NULL || counts == NULL || table == NULL) {
        return err_nomem(e, "the vocabulary");
    }
    for (size_t t = 0; t < f->term_count; t++) {
        hashes[t] = f->terms[t].hash;
        counts[t] = f->terms[t].items;
        size_t at = hashes[t] & f->known.slot_mask;
        while (table[at] != 0) {
            at = (at + 1) & f->known.slot_mask;
        }
        table[at] = (uint32_t)t + 1;
    }
    return ERR_OK;
}

/* choose keeps the terms with the most weight, as many as the bytes allow. */
static err_code choose(fit *f, err *e)
{
    size_t bytes = f->o->bytes_max > 0 ? f->o->bytes_max : WORDS_BYTES_MAX;
    size_t most = (bytes - WORDS_HEADER_BYTES) / (WORDS_TERM_BYTES + 4);
    term_count *list = f->counts.places; /* the table of places is reused as a list */
    size_t count = 0;
    for (size_t i = 0; i < f->counts.room; i++) {
        uint32_t least = list[i].kind == BAG_WORD ? 1 : ITEMS_OF_PAIR;
        if (list[i].hash != 0 && list[i].items >= least) {
            list[count++] = list[i];
        }
    }
    f->counts.room = 0;
    qsort_r(list, count, sizeof *list, by_worth, &f->items);
    forget_known(f);
    f->term_count = count < most ? count : most;
    f->terms = mem_array(f->term_count, sizeof *f->terms);
    if (f->terms == NULL) {
        return err_nomem(e, "the vocabulary");
    }
    for (size_t i = 0; i < f->term_count; i++) {
        f->terms[i] = (kept){list[i].hash, list[i].items};
    }
    sort_array(f->terms, f->term_count, sizeof *f->terms, by_hash);
    return know(f, e);
}

static err_code grow(fit *f, size_t terms, err *e)
{
    if (f->a->rows + 2 > f->row_room) {
        f->row_room = 2 * f->row_room + 1024;
        size_t *start = mem_grow(f->a->start, f->row_room, sizeof *start);
        if (start == NULL) {
            return err_nomem(e, "the matrix of words");
        }
        f->a->start = start;
        f->a->start[0] = 0;
    }
    if (f->a->nnz + terms + CSR_AHEAD > f->room) {
        f->room = f->room + f->room / 2 + terms + 65536;
        uint32_t *col = mem_grow(f->a->col, f->room, sizeof *col);
        f->a->col = col != NULL ? col : f->a->col;
        float *value = mem_grow(f->a->value, f->room, sizeof *value);
        f->a->value = value != NULL ? value : f->a->value;
        if (col == NULL || value == NULL) {
            return err_nomem(e, "the matrix of words");
        }
    }
    return ERR_OK;
}

/* add_row adds an item's weights to the matrix, scaled to length 1. */
static err_code add_row(void *ctx, const words_document *d, err *e)
{
    fit *f = ctx;
    size_t count = 0;
    if (f->row++ % f->stride != 0) {
        return ERR_OK;
    }
    bag_fill(f->bag, d, &(bag_options){f->version, is_rare, f});
    const bag_term *terms = bag_terms(f->bag, &count);
    err_code code = grow(f, count, e);
    if (code != ERR_OK) {
        return code;
    }
    size_t first = f->a->nnz;
    double square = 0;
    for (size_t i = 0; i < count; i++) {
        size_t term = words_find(&f->known, terms[i].hash);
        if (term != SIZE_MAX) {
            float value = words_term_weight(f->items, f->terms[term].items) *
                          words_frequency_weight(terms[i].frequency);
            f->a->col[f->a->nnz] = (uint32_t)term;
            f->a->value[f->a->nnz++] = value;
            square += (double)value * (double)value;
        }
    }
    for (size_t k = first; k < f->a->nnz; k++) {
        f->a->value[k] = (float)((double)f->a->value[k] / sqrt(square));
    }
    f->a->start[++f->a->rows] = f->a->nnz;
    return ERR_OK;
}

static err_code make_matrix(fit *f, err *e)
{
    f->a = mem_array(1, sizeof *f->a);
    if (f->a == NULL) {
        return err_nomem(e, "the matrix of words");
    }
    f->a->cols = f->term_count;
    f->stride = (size_t)(f->items / SAMPLE) + 1;
    f->row = 0;
    err_code code = f->source->each(f->source->ctx, add_row, f, e);
    if (code == ERR_OK) {
        code = grow(f, 0, e);
    }
    if (code == ERR_OK) {
        memset(f->a->col + f->a->nnz, 0, CSR_AHEAD * sizeof *f->a->col);
    }
    return code;
}

/* find_directions fills the memory with the terms' singular vectors. */
static err_code find_directions(fit *f, err *e)
{
    f->memory = mem_array(WORDS_HEADER_BYTES + f->term_count * COLUMNS * sizeof(float), 1);
    if (f->memory == NULL) {
        return err_nomem(e, "the directions of the words");
    }
    subspace_options o = {.width = WORDS_WIDTH,
                          .columns = COLUMNS,
                          .rounds = ROUNDS,
                          .seed = SEED,
                          .threads = f->o->threads > 0 ? f->o->threads : 1};
    return subspace_run(f->a, &o, (void *)(f->memory + WORDS_HEADER_BYTES), e);
}

/* quantise turns x into 16-bit integers in place: the integers of a row never overwrite the floats
 * of a later row. */
static void quantise(fit *f, float *scales)
{
    const float *x = (const void *)(f->memory + WORDS_HEADER_BYTES);
    int16_t *to = (int16_t *)(f->memory + WORDS_HEADER_BYTES);
    for (size_t t = 0; t < f->term_count; t++) {
        float row[WORDS_WIDTH], largest = 0;
        memcpy(row, x + t * COLUMNS, sizeof row);
        for (size_t j = 0; j < WORDS_WIDTH; j++) {
            largest = fmaxf(largest, fabsf(row[j]));
        }
        scales[t] = largest / INT16_MAX;
        for (size_t j = 0; j < WORDS_WIDTH; j++) {
            to[t * WORDS_WIDTH + j] = (int16_t)(largest > 0 ? lrintf(row[j] / scales[t]) : 0);
        }
    }
}

/* pack writes the bytes that words_open reads. */
static err_code pack(fit *f, word_space **out, err *e)
{
    size_t n = f->term_count, vectors = n * WORDS_WIDTH * sizeof(int16_t);
    size_t bytes = WORDS_HEADER_BYTES + vectors + n * (sizeof(uint64_t) + sizeof(uint32_t) + 4);
    float *scales = mem_array(n, sizeof *scales);
    if (scales == NULL) {
        return err_nomem(e, "the directions of the words");
    }
    quantise(f, scales);
    char *memory = mem_grow(f->memory, bytes, 1);
    if (memory == NULL) {
        mem_free(scales);
        return err_nomem(e, "the directions of the words");
    }
    f->memory = NULL;
    words_header h = {.terms = n, .items = f->items, .width = WORDS_WIDTH};
    h.version = f->version;
    memcpy(h.magic, WORDS_MAGIC, sizeof h.magic);
    memcpy(memory, &h, sizeof h);
    char *to = memory + WORDS_HEADER_BYTES + vectors;
    memcpy(to, f->known.hashes, n * sizeof(uint64_t));
    to += n * sizeof(uint64_t);
    memcpy(to, f->known.item_counts, n * sizeof(uint32_t));
    to += n * sizeof(uint32_t);
    memcpy(to, scales, n * sizeof *scales);
    mem_free(scales);
    return words_open(out, memory, bytes, e);
}

static err_code next_step(const fit *f, err *e)
{
    if (f->o->cancelled != NULL && f->o->cancelled(f->o->ctx)) {
        return err_set(e, ERR_CANCELLED, "interrupted while fitting the words");
    }
    return ERR_OK;
}

static err_code run(fit *f, word_space **out, err *e)
{
    const words_source *from = f->source;
    err_code code = bag_new(&f->bag, e);
    if (code == ERR_OK) {
        code = from->each(from->ctx, count_words, f, e);
    }
    if (code != ERR_OK || f->counts.count == 0) {
        return code;
    }
    /* The words become findable while their counts stay, for the later choice among all terms. */
    term_counts counted = f->counts;
    f->counts = (term_counts){0};
    code = term_counts_copy(&f->counts, &counted, e);
    if (code == ERR_OK) {
        code = choose(f, e);
    }
    term_counts_fini(&f->counts);
    f->counts = counted;
    if (code == ERR_OK) {
        code = next_step(f, e);
    }
    if (code == ERR_OK) {
        code = from->each(from->ctx, count_others, f, e);
    }
    if (code == ERR_OK) {
        code = choose(f, e);
    }
    term_counts_fini(&f->counts);
    if (code == ERR_OK) {
        code = make_matrix(f, e);
    }
    if (code == ERR_OK) {
        code = next_step(f, e);
    }
    if (code == ERR_OK) {
        code = find_directions(f, e);
    }
    if (code == ERR_OK) {
        code = next_step(f, e);
    }
    return code == ERR_OK ? pack(f, out, e) : code;
}

err_code words_fit(word_space **out, const words_source *source, const words_fit_options *o, err *e)
{
    fit f = {.source = source, .o = o, .version = o->tokens > 0 ? o->tokens : TOKENS_VERSION};
    *out = NULL;
    err_code code = run(&f, out, e);
    forget_known(&f);
    term_counts_fini(&f.counts);
    bag_free(f.bag);
    csr_free(f.a);
    mem_free(f.memory);
    return code;
}
