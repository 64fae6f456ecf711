/* SPDX-License-Identifier: Apache-2.0 */
/*
 * later_links: the content links of items that came after the training.
 *
 * A generation's links (core/model/links.h) end with the items that it was trained on. A later item
 * has its own list, made from its features: the trained items that it is similar to, with the
 * weight of the link. A link holds in both directions. A request starts from the items that the
 * user has, so it needs the lists the other way round: later_index finds, for an item that the user
 * has, the later items whose lists contain it.
 *
 * The index only grows. A replaced list leaves its entries behind, but an entry counts only while
 * the reader's view has the list that it came from; a serial number tells. So readers of older
 * views see the right entries too, and undoing a write needs no clean-up.
 *
 * One writer adds; any number of readers read.
 */
#ifndef CORE_LATE_LINKS_H
#define CORE_LATE_LINKS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/links.h"

/* A later item's links, ascending by target. One allocation. It is immutable once it has a serial:
 * the writer gives it one before a view shows it. A prepared item and the views that show its list
 * hold it together, so that nobody copies it. */
typedef struct later_list {
    atomic_uint holders;
    uint32_t serial; /* > 0, different for each list; 0: no view shows it */
    uint32_t count;
    links_entry entries[]; /* (count) */
} later_list;

/* later_list_alloc makes an empty list with room for `count` links and one holder; NULL if memory
 * runs out. later_list_hold adds a holder. later_list_release takes one away and frees the list
 * with the last one; it accepts NULL. Both are thread-safe. */
later_list *later_list_alloc(size_t count);
later_list *later_list_hold(later_list *list);
void later_list_release(void *list);

/* later_list_weight returns the weight of the link to `target`; 0 if the list (or NULL) has none.
 */
float later_list_weight(const later_list *list, uint32_t target);

/* later_list_new makes a list with serial 0. It leaves out a link to `self`, the item whose list it
 * is. */
err_code later_list_new(later_list **out, uint32_t self, const links_entry *entries, size_t count,
                        err *e) ERR_CHECKED;

/* One link, seen from the item that the user has. */
typedef struct later_entry {
    uint32_t item;   /* the later item */
    uint32_t serial; /* serial of the item's list */
    uint32_t next;   /* index of the next entry + 1; 0 at the end */
    float weight;
} later_entry;

/* Entries are stored in chunks, which never move. The first LATER_LARGE entries are in small
 * chunks, because most shops need few; all others are in chunks that huge pages hold, which cost
 * fewer page faults when they are filled and fewer TLB misses when they are read. */
enum {
    LATER_SMALL_BITS = 14,
    LATER_LARGE_BITS = 18,
    LATER_SMALL = 1 << LATER_SMALL_BITS,
    LATER_LARGE = 1 << LATER_LARGE_BITS,
    LATER_CHUNKS_MAX = 16384,
};

typedef struct later_index {
    size_t items;             /* rows of items that links can start from */
    _Atomic(uint32_t) *first; /* (items) index of the first entry + 1 */
    later_entry **chunks;     /* (LATER_CHUNKS_MAX) */
    uint32_t count;           /* used by the writer alone */
} later_index;

/* later_place returns the address of an entry, whose chunk must be there. */
static inline later_entry *later_place(const later_index *x, uint32_t entry)
{
    if (entry < LATER_LARGE) {
        return &x->chunks[entry >> LATER_SMALL_BITS][entry % LATER_SMALL];
    }
    size_t before = LATER_LARGE / LATER_SMALL - 1;
    return &x->chunks[before + (entry >> LATER_LARGE_BITS)][entry % LATER_LARGE];
}

/* later_index_init makes an empty index for `items` rows. later_index_fini frees it, and accepts a
 * zeroed one. */
err_code later_index_init(later_index *x, size_t items, err *e) ERR_CHECKED;
void later_index_fini(later_index *x);

/* later_index_add enters the list of `item`. */
err_code later_index_add(later_index *x, uint32_t item, const later_list *list, err *e) ERR_CHECKED;

/* later_index_first and later_index_next iterate over the entries of an item; NULL at the end. */
static inline const later_entry *later_index_next(const later_index *x, const later_entry *entry)
{
    return entry->next > 0 ? later_place(x, entry->next - 1) : NULL;
}

static inline const later_entry *later_index_first(const later_index *x, uint32_t owned)
{
    uint32_t first =
        owned < x->items ? atomic_load_explicit(&x->first[owned], memory_order_acquire) : 0;
    return first > 0 ? later_place(x, first - 1) : NULL;
}

#endif
