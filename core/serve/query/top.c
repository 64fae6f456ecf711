/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top: scans the whole catalogue for the popular or latest items. The header defines the order.
 *
 * A heap holds the best rows so far, with the worst of them on top. Each pass runs in the direction
 * in which a later row of equal rank comes after those already held, so it costs one comparison.
 * Equal ranks are common: items imported in the same second, or bought once each.
 */
#include "core/serve/query/top.h"

#include "core/serve/filter/filter_bits.h"

static void swap_keys(top_key *a, top_key *b)
{
    top_key kept = *a;
    *a = *b;
    *b = kept;
}

/* sink restores the heap below place i. */
static void sink(top_key *heap, size_t count, size_t i)
{
    for (size_t child = 2 * i + 1; child < count; i = child, child = 2 * i + 1) {
        if (child + 1 < count && top_before(heap[child], heap[child + 1])) {
            child++;
        }
        if (!top_before(heap[i], heap[child])) {
            return;
        }
        swap_keys(&heap[i], &heap[child]);
    }
}

static size_t offer(top_key *heap, size_t count, size_t room, top_key key)
{
    if (count == room) {
        heap[0] = key;
        sink(heap, count, 0);
        return count;
    }
    size_t i = count;
    heap[i] = key;
    while (i > 0 && top_before(heap[(i - 1) / 2], heap[i])) {
        swap_keys(&heap[(i - 1) / 2], &heap[i]);
        i = (i - 1) / 2;
    }
    return count + 1;
}

static void sort_heap(top_key *heap, size_t count)
{
    for (size_t left = count; left > 1; left--) {
        swap_keys(&heap[0], &heap[left - 1]);
        sink(heap, left - 1, 0);
    }
}

/* word_of returns the 64 numbers of a column for one word of a bitmap. NULL stands for zeros. */
static const void *word_of(const pvec *column, size_t word)
{
    size_t first = word * 64, in_leaf = ((size_t)1 << column->leaf_bits) - 1;
    const char *leaf = pvec_leaf(column, first >> column->leaf_bits);
    return leaf != NULL ? leaf + (first & in_leaf) * column->element_bytes : NULL;
}

/* scan_bought scans upwards the rows that have users. */
static size_t scan_bought(const view *v, const uint64_t *allowed, top_key *heap, size_t room)
{
    size_t count = 0;
    for (size_t w = 0, words = filter_words(v); w < words; w++) {
        uint64_t left = allowed[w];
        const uint32_t *users = left != 0 ? word_of(&v->edge_users, w) : NULL;
        for (; users != NULL && left != 0; left &= left - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(left);
            if (users[bit] > (count == room ? heap[0].users : 0)) {
                top_key key = {0, users[bit], (uint32_t)(w * 64 + bit)};
                count = offer(heap, count, room, key);
            }
        }
    }
    return count;
}

/* scan_created scans downwards all rows, or those without users. */
static size_t scan_created(const view *v, bool bought_too, const uint64_t *allowed, top_key *heap,
                           size_t room)
{
    size_t count = 0;
    for (size_t w = filter_words(v); w-- > 0;) {
        uint64_t left = allowed[w];
        const int64_t *created = left != 0 ? word_of(&v->created, w) : NULL;
        const uint32_t *users = left != 0 && !bought_too ? word_of(&v->edge_users, w) : NULL;
        while (left != 0) {
            unsigned bit = 63U - (unsigned)__builtin_clzll(left);
            left ^= 1ULL << bit;
            int64_t second = created != NULL ? created[bit] : 0;
            if ((users == NULL || users[bit] == 0) && (count < room || second > heap[0].created)) {
                top_key key = {second, 0, (uint32_t)(w * 64 + bit)};
                count = offer(heap, count, room, key);
            }
        }
    }
    return count;
}

size_t top_scan(const view *v, top_kind kind, const uint64_t *allowed, top_key *out, size_t room)
{
    size_t bought = 0;
    if (room == 0) {
        return 0;
    }
    if (kind == TOP_USERS) {
        bought = scan_bought(v, allowed, out, room);
        sort_heap(out, bought);
    }
    if (bought == room) {
        return bought;
    }
    size_t others = scan_created(v, kind == TOP_CREATED, allowed, out + bought, room - bought);
    sort_heap(out + bought, others);
    return bought + others;
}
