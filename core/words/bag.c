/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/bag.h"

#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/words/tokens.h"

enum {
    SLOTS_FIRST = 1024, /* most items have few terms: clearing the whole table would cost more */
    SLOTS_MAX = 2 * BAG_TERMS_MAX,
    ADDED_MAX = 65536, /* additions for one item, including repeats */
    PART_SHORTEST = 3,
    PART_LONGEST = 4,
    PART_WORD_SHORTEST = 3,
    BOUNDARY = 0x10FFFF, /* no text has this character */
    SEED_PAIR = 2,
    SEED_PART = 3,
    SEED_CATEGORY = 4,
    SEED_ATTRIBUTE = 5,
};

static const float weight_of_title = 2;
static const float weight_of_description = 1;
static const float weight_of_category = 2;
static const float weight_of_attribute = 1;

struct bag {
    size_t count, added;
    size_t slot_count; /* a power of two, at least twice the terms */
    bag_term terms[BAG_TERMS_MAX];
    uint16_t slots[SLOTS_MAX]; /* (slot_count) a term's number plus 1; 0 if free */
    /* used while the bag is filled */
    bag_options options;
    float weight;    /* weight of the current field */
    uint64_t before; /* hash of the previous word; 0 at the beginning of a field */
    uint64_t whole;  /* hash of all words of the field, in order */
    size_t words;    /* number of words of the field so far */
};

err_code bag_new(bag **out, err *e)
{
    *out = mem_grow(NULL, 1, sizeof **out); /* unset: bag_fill sets what it uses */
    return *out != NULL ? ERR_OK : err_nomem(e, "an item's words");
}

void bag_free(bag *b)
{
    mem_free(b);
}

const bag_term *bag_terms(const bag *b, size_t *count)
{
    *count = b->count;
    return b->terms;
}

/* slot_of returns the slot of a term, or the free one where it belongs. */
static uint16_t *slot_of(bag *b, uint64_t hash)
{
    size_t at = hash & (b->slot_count - 1);
    while (b->slots[at] != 0 && b->terms[b->slots[at] - 1].hash != hash) {
        at = (at + 1) & (b->slot_count - 1);
    }
    return &b->slots[at];
}

static void set_slots(bag *b, size_t count)
{
    b->slot_count = count;
    memset(b->slots, 0, count * sizeof *b->slots);
    for (size_t i = 0; i < b->count; i++) {
        *slot_of(b, b->terms[i].hash) = (uint16_t)(i + 1);
    }
}

static void add(bag *b, uint64_t hash, float weight, bag_kind kind)
{
    if (b->added == ADDED_MAX) {
        return;
    }
    b->added++;
    uint16_t *slot = slot_of(b, hash);
    if (*slot != 0) {
        b->terms[*slot - 1].frequency += weight;
    } else if (b->count < BAG_TERMS_MAX) {
        b->terms[b->count++] = (bag_term){hash, weight, kind};
        *slot = (uint16_t)b->count;
        if (2 * b->count > b->slot_count) {
            set_slots(b, 2 * b->slot_count);
        }
    }
}

static uint64_t pair_hash(uint64_t first, uint64_t second, uint64_t seed)
{
    uint32_t halves[4] = {(uint32_t)first, (uint32_t)(first >> 32), (uint32_t)second,
                          (uint32_t)(second >> 32)};
    return tokens_hash(halves, 4, seed);
}

/* add_parts adds the runs of 3 and 4 characters of a word. Together they weigh as much as one
 * word. */
static void add_parts(bag *b, const token *t)
{
    uint32_t around[TOKEN_CHARACTERS_MAX * 2 + 2];
    size_t length = t->count + 2;
    around[0] = BOUNDARY;
    memcpy(around + 1, t->characters, t->count * sizeof *around);
    around[length - 1] = BOUNDARY;
    float runs = (float)(2 * length - PART_SHORTEST - PART_LONGEST + 2);
    float weight = b->weight / sqrtf(runs);
    for (size_t size = PART_SHORTEST; size <= PART_LONGEST; size++) {
        for (size_t i = 0; i + size <= length; i++) {
            add(b, tokens_hash(around + i, size, SEED_PART), weight, BAG_PART);
        }
    }
}

static void add_token(void *ctx, const token *t)
{
    bag *b = ctx;
    add(b, t->hash, b->weight, BAG_WORD);
    if (t->kind != TOKEN_GRAM && t->count >= PART_WORD_SHORTEST && b->options.rare != NULL &&
        b->options.rare(b->options.ctx, t->hash)) {
        add_parts(b, t);
    }
    if (t->kind == TOKEN_WORD) {
        if (b->before != 0) {
            add(b, pair_hash(b->before, t->hash, SEED_PAIR), b->weight, BAG_PAIR);
        }
        b->before = t->hash;
    }
    b->whole = pair_hash(b->whole, t->hash, SEED_CATEGORY);
    b->words++;
}

static void add_field(bag *b, slice text, float weight)
{
    b->weight = weight;
    b->before = b->whole = 0;
    b->words = 0;
    if (text.at != NULL) {
        tokens_each(text, b->options.tokens, add_token, b);
    }
}

/* add_whole adds the words of a field, and the whole field as one term. */
static void add_whole(bag *b, slice text, float weight, uint64_t seed)
{
    add_field(b, text, weight);
    if (b->words > 0) {
        add(b, pair_hash(b->whole, 0, seed), weight, BAG_WORD);
    }
}

static void add_attribute(bag *b, const attribute *a)
{
    if (a->kind == ATTRIBUTE_TEXT) {
        add_whole(b, a->text, weight_of_attribute, SEED_ATTRIBUTE);
    }
    for (uint32_t i = 0; a->kind == ATTRIBUTE_TEXTS && i < a->text_count; i++) {
        add_whole(b, a->texts[i], weight_of_attribute, SEED_ATTRIBUTE);
    }
}

void bag_fill(bag *b, const words_document *d, const bag_options *o)
{
    b->count = b->added = 0;
    set_slots(b, SLOTS_FIRST);
    b->options = *o;
    add_field(b, d->title, weight_of_title);
    for (size_t i = 0; i < d->category_count; i++) {
        add_whole(b, d->categories[i], weight_of_category, SEED_CATEGORY);
    }
    for (size_t i = 0; i < d->attribute_count; i++) {
        add_attribute(b, &d->attributes[i]);
    }
    add_field(b, d->description, weight_of_description);
}
