/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/filter_equal.h"

#include <string.h>

#include "core/common/hash.h"

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return hash_bytes(hash, &number, sizeof number);
}

static uint64_t hash_names(uint64_t hash, const slice *names, size_t count)
{
    hash = hash_number(hash, count);
    for (size_t i = 0; i < count; i++) {
        hash = hash_number(hash_bytes(hash, names[i].at, names[i].length), names[i].length);
    }
    return hash;
}

static uint64_t filter_hash(const filter *f)
{
    uint64_t hash = hash_names(HASH_BEGIN, f->categories_any, f->categories_any_count);
    hash = hash_names(hash, f->categories_all, f->categories_all_count);
    hash = hash_names(hash, f->categories_none, f->categories_none_count);
    hash = hash_number(hash, f->has_created_after ? (uint64_t)f->created_after : 1);
    hash = hash_number(hash, f->has_created_before ? (uint64_t)f->created_before : 1);
    for (size_t i = 0; i < f->attribute_count; i++) {
        const filter_attribute *a = &f->attributes[i];
        hash = hash_bytes(hash, a->name.at, a->name.length);
        hash = hash_bytes(hash, a->text.at, a->text.length);
    }
    return hash;
}

static bool names_equal(const slice *a, size_t a_count, const slice *b, size_t b_count)
{
    bool equal = a_count == b_count;
    for (size_t i = 0; equal && i < a_count; i++) {
        equal = slice_equal(a[i], b[i]);
    }
    return equal;
}

static bool attribute_equal(const filter_attribute *a, const filter_attribute *b)
{
    return slice_equal(a->name, b->name) && a->kind == b->kind && slice_equal(a->text, b->text) &&
           a->truth == b->truth && a->low == b->low && a->high == b->high &&
           a->low_excluded == b->low_excluded && a->high_excluded == b->high_excluded;
}

bool filter_equal(const filter *a, const filter *b)
{
    bool equal = names_equal(a->categories_any, a->categories_any_count, b->categories_any,
                             b->categories_any_count) &&
                 names_equal(a->categories_all, a->categories_all_count, b->categories_all,
                             b->categories_all_count) &&
                 names_equal(a->categories_none, a->categories_none_count, b->categories_none,
                             b->categories_none_count) &&
                 a->has_created_after == b->has_created_after &&
                 a->has_created_before == b->has_created_before &&
                 (!a->has_created_after || a->created_after == b->created_after) &&
                 (!a->has_created_before || a->created_before == b->created_before) &&
                 a->attribute_count == b->attribute_count;
    for (size_t i = 0; equal && i < a->attribute_count; i++) {
        equal = attribute_equal(&a->attributes[i], &b->attributes[i]);
    }
    return equal;
}

err_code filter_share(recommend_request *requests, size_t count, arena *a, err *e)
{
    size_t places = 16;
    while (places < 2 * count) {
        places *= 2;
    }
    const filter **table = arena_alloc(a, places, sizeof *table);
    if (table == NULL) {
        return err_nomem(e, "the filters of a batch");
    }
    memset(table, 0, places * sizeof *table);
    for (size_t i = 0; i < count; i++) {
        size_t at = filter_hash(&requests[i].filter) & (places - 1);
        while (table[at] != NULL && !filter_equal(table[at], &requests[i].filter)) {
            at = (at + 1) & (places - 1);
        }
        if (table[at] == NULL) {
            table[at] = &requests[i].filter;
        }
        requests[i].same_filter = table[at];
    }
    return ERR_OK;
}
