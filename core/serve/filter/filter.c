/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter: turns conditions into a bitmap of the items that pass.
 *
 * The conditions are applied one after the other to the whole bitmap, one leaf of the condition's
 * table at a time, so names are looked up once. Categories, and texts that have a bitmap, cost a
 * few operations per word. Creation times and other attributes are columns, and are read only for
 * rows that still pass, so a rare category makes the rest of the filter cheap.
 */
#include "core/serve/filter/filter_bits.h"

#include <string.h>

#include "core/serve/filter/filter_column.h"
#include "core/serve/filter/filter_kept.h"

size_t filter_words(const view *v)
{
    /* The generation may have rows at the end that were deleted before this process started. */
    size_t known = v->base != NULL ? v->base->items : 0;
    size_t rows = known > v->item_rows ? known : v->item_rows;
    return (rows + BITMAP_LEAF_ROWS - 1) / BITMAP_LEAF_ROWS * BITMAP_LEAF_WORDS;
}

/* category_of borrows a category's bitmap. NULL stands for all zeros. */
static const pvec *category_of(const view *v, slice name)
{
    uint32_t number = idmap_find(v->strings, name, ROW_NONE);
    const pvec *bitmap = number != ROW_NONE ? pvec_get(&v->categories, number) : NULL;
    return bitmap != NULL && bitmap->element_bytes > 0 ? bitmap : NULL;
}

static const uint64_t *leaf_of(const pvec *bitmap, size_t word)
{
    return bitmap != NULL ? pvec_leaf(bitmap, word / BITMAP_LEAF_WORDS) : NULL;
}

static void add_bits(const pvec *bitmap, uint64_t *words, size_t count)
{
    for (size_t at = 0; at < count; at += BITMAP_LEAF_WORDS) {
        const uint64_t *bits = leaf_of(bitmap, at);
        for (size_t w = 0; bits != NULL && w < BITMAP_LEAF_WORDS; w++) {
            words[at + w] |= bits[w];
        }
    }
}

static void keep_bits(const pvec *bitmap, uint64_t *words, size_t count)
{
    for (size_t at = 0; at < count; at += BITMAP_LEAF_WORDS) {
        const uint64_t *bits = leaf_of(bitmap, at);
        for (size_t w = 0; w < BITMAP_LEAF_WORDS; w++) {
            words[at + w] &= bits != NULL ? bits[w] : 0;
        }
    }
}

static void drop_bits(const pvec *bitmap, uint64_t *words, size_t count)
{
    for (size_t at = 0; at < count; at += BITMAP_LEAF_WORDS) {
        const uint64_t *bits = leaf_of(bitmap, at);
        for (size_t w = 0; bits != NULL && w < BITMAP_LEAF_WORDS; w++) {
            words[at + w] &= ~bits[w];
        }
    }
}

/* begin_bits writes the items that may be listed and, if categories are given, are in one of
 * them. */
static void begin_bits(const view *v, const filter *f, uint64_t *words, size_t count)
{
    if (f == NULL || f->categories_any_count == 0) {
        for (size_t at = 0; at < count; at += BITMAP_LEAF_WORDS) {
            const uint64_t *listable = leaf_of(&v->listable, at);
            if (listable != NULL) {
                memcpy(words + at, listable, BITMAP_LEAF_WORDS * sizeof *words);
            } else {
                memset(words + at, 0, BITMAP_LEAF_WORDS * sizeof *words);
            }
        }
        return;
    }
    memset(words, 0, count * sizeof *words);
    for (size_t i = 0; i < f->categories_any_count; i++) {
        add_bits(category_of(v, f->categories_any[i]), words, count);
    }
    keep_bits(&v->listable, words, count);
}

static bool any_left(const uint64_t *words, size_t count)
{
    uint64_t all = 0;
    for (size_t w = 0; w < count; w++) {
        all |= words[w];
    }
    return all != 0;
}

/* keep_column reads the leaves of a column in which rows are left. Leaves lie at random places in
 * memory, so the next one is prefetched while one is compared. */
static void keep_column(const pvec *column, const column_test *test, uint64_t *words, size_t count)
{
    const size_t step = ((size_t)1 << column->leaf_bits) / 64;
    filter_keep keep = filter_kernel_best();
    const uint64_t *next = pvec_leaf(column, 0);
    for (size_t at = 0; at < count; at += step) {
        const uint64_t *values = next;
        next = pvec_leaf(column, at / step + 1);
        if (!any_left(words + at, step)) {
            continue;
        }
        if (values == NULL) {
            memset(words + at, 0, step * sizeof *words);
            continue;
        }
        for (size_t i = 0; next != NULL && i < step * 64; i += 8) {
            __builtin_prefetch(next + i);
        }
        column_keep(test, keep, values, words + at, step);
    }
}

static void keep_attribute(const view *v, const filter_attribute *condition, uint64_t *words,
                           size_t count)
{
    uint32_t name = idmap_find(v->strings, condition->name, ROW_NONE);
    const attribute_column *column = name != ROW_NONE ? pvec_get(&v->attributes, name) : NULL;
    column_test test = column_test_of(condition, v->strings);
    const pvec *kept = NULL;
    if (test.value != ROW_NONE && column != NULL) {
        kept = kept_bitmap(v, (kept_value){name, test.value});
        test.nothing = test.nothing || (kept == NULL && column->kept < KEPT_MAX);
    }
    if (column == NULL || column->words.element_bytes == 0 || test.nothing) {
        memset(words, 0, count * sizeof *words);
    } else if (kept != NULL) {
        keep_bits(kept, words, count);
    } else {
        keep_column(&column->words, &test, words, count);
    }
}

static void keep_created(const view *v, const filter *f, uint64_t *words, size_t count)
{
    int64_t low = f->has_created_after ? f->created_after : INT64_MIN;
    int64_t high = f->has_created_before ? f->created_before : INT64_MAX;
    column_test test = {.value = ROW_NONE};
    /* `before` itself is excluded. Without it, the latest possible second is included. */
    if (f->has_created_before && low >= high) {
        memset(words, 0, count * sizeof *words);
        return;
    }
    high -= f->has_created_before ? 1 : 0;
    test.range = (filter_range){(uint64_t)low, (uint64_t)high - (uint64_t)low};
    keep_column(&v->created, &test, words, count);
}

void filter_bits(const view *v, const filter *f, uint64_t *words)
{
    size_t count = filter_words(v);
    if (count == 0) {
        return; /* the bitmap of an empty shop has no memory */
    }
    begin_bits(v, f, words, count);
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->categories_all_count; i++) {
        keep_bits(category_of(v, f->categories_all[i]), words, count);
    }
    for (size_t i = 0; i < f->categories_none_count; i++) {
        drop_bits(category_of(v, f->categories_none[i]), words, count);
    }
    if (f->has_created_after || f->has_created_before) {
        keep_created(v, f, words, count);
    }
    for (size_t i = 0; i < f->attribute_count; i++) {
        keep_attribute(v, &f->attributes[i], words, count);
    }
}
