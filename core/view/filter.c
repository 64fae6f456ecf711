/*
 * filter: from conditions to a bitmap, one leaf of 4,096 rows at a time.
 *
 * Categories are bitmaps and cost a few words' operations; creation times and attributes are asked
 * only for rows that are still in. A leaf without a row left costs nothing further, so rare
 * categories make the rest of the filter cheap.
 */
#include "core/view/filter_bits.h"

#include <assert.h>
#include <string.h>

#include "core/view/filter_column.h"

size_t filter_words(const view *v)
{
    /* A generation can know rows at the end that were deleted before this process began. */
    size_t known = v->base != NULL ? v->base->items : 0;
    size_t rows = known > v->item_rows ? known : v->item_rows;
    return (rows + BITMAP_LEAF_ROWS - 1) / BITMAP_LEAF_ROWS * BITMAP_LEAF_WORDS;
}

/* category_leaf borrows a leaf of a category's bitmap, NULL for all zeros. */
static const uint64_t *category_leaf(const view *v, slice name, size_t leaf)
{
    uint32_t number = idmap_find(v->strings, name, ROW_NONE);
    if (number == ROW_NONE) {
        return NULL;
    }
    const pvec *bitmap = pvec_get(&v->categories, number);
    return bitmap->element_bytes > 0 ? pvec_leaf(bitmap, leaf) : NULL;
}

static void keep_categories(const view *v, const filter *f, size_t leaf, uint64_t *words)
{
    uint64_t any[BITMAP_LEAF_WORDS] = {0};
    for (size_t i = 0; i < f->categories_any_count; i++) {
        const uint64_t *bits = category_leaf(v, f->categories_any[i], leaf);
        for (size_t w = 0; bits != NULL && w < BITMAP_LEAF_WORDS; w++) {
            any[w] |= bits[w];
        }
    }
    for (size_t w = 0; f->categories_any_count > 0 && w < BITMAP_LEAF_WORDS; w++) {
        words[w] &= any[w];
    }
    for (size_t i = 0; i < f->categories_all_count; i++) {
        const uint64_t *bits = category_leaf(v, f->categories_all[i], leaf);
        for (size_t w = 0; w < BITMAP_LEAF_WORDS; w++) {
            words[w] &= bits != NULL ? bits[w] : 0;
        }
    }
    for (size_t i = 0; i < f->categories_none_count; i++) {
        const uint64_t *bits = category_leaf(v, f->categories_none[i], leaf);
        for (size_t w = 0; bits != NULL && w < BITMAP_LEAF_WORDS; w++) {
            words[w] &= ~bits[w];
        }
    }
}

static void keep_created(const view *v, const filter *f, size_t leaf, uint64_t *words)
{
    for (size_t w = 0; w < BITMAP_LEAF_WORDS; w++) {
        for (uint64_t left = words[w]; left != 0; left &= left - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(left);
            size_t row = leaf * BITMAP_LEAF_ROWS + w * 64 + bit;
            int64_t created = *(const int64_t *)pvec_get(&v->created, row);
            if ((f->has_created_after && created < f->created_after) ||
                (f->has_created_before && created >= f->created_before)) {
                words[w] &= ~(1ULL << bit);
            }
        }
    }
}

static void keep_attribute(const view *v, const filter_attribute *condition, size_t leaf,
                           uint64_t *words)
{
    uint32_t number = idmap_find(v->strings, condition->name, ROW_NONE);
    const pvec *column = number != ROW_NONE ? pvec_get(&v->attributes, number) : NULL;
    if (column == NULL || column->element_bytes == 0) {
        memset(words, 0, BITMAP_LEAF_WORDS * sizeof *words);
        return;
    }
    column_test test = column_test_of(condition, v->strings);
    const size_t column_rows = (size_t)1 << COLUMN_LEAF_BITS;
    static_assert((1 << COLUMN_LEAF_BITS) % 64 == 0, "a column's leaf is whole words");
    for (size_t w = 0; w < BITMAP_LEAF_WORDS; w++) {
        size_t first = leaf * BITMAP_LEAF_ROWS + w * 64;
        const uint64_t *values = NULL;
        if (words[w] != 0) {
            values = pvec_leaf(column, first / column_rows);
        }
        if (values == NULL) {
            words[w] = 0;
            continue;
        }
        for (uint64_t left = words[w]; left != 0; left &= left - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(left);
            if (!column_passes(&test, values[first % column_rows + bit])) {
                words[w] &= ~(1ULL << bit);
            }
        }
    }
}

static bool any_left(const uint64_t *words)
{
    uint64_t all = 0;
    for (size_t w = 0; w < BITMAP_LEAF_WORDS; w++) {
        all |= words[w];
    }
    return all != 0;
}

void filter_bits(const view *v, const filter *f, uint64_t *words)
{
    size_t leaves = filter_words(v) / BITMAP_LEAF_WORDS;
    for (size_t leaf = 0; leaf < leaves; leaf++, words += BITMAP_LEAF_WORDS) {
        const uint64_t *listable = pvec_leaf(&v->listable, leaf);
        if (listable == NULL) {
            memset(words, 0, BITMAP_LEAF_WORDS * sizeof *words);
            continue;
        }
        memcpy(words, listable, BITMAP_LEAF_WORDS * sizeof *words);
        if (f == NULL) {
            continue;
        }
        keep_categories(v, f, leaf, words);
        if ((f->has_created_after || f->has_created_before) && any_left(words)) {
            keep_created(v, f, leaf, words);
        }
        for (size_t i = 0; i < f->attribute_count && any_left(words); i++) {
            keep_attribute(v, &f->attributes[i], leaf, words);
        }
    }
}
