/* SPDX-License-Identifier: Apache-2.0 */
/*
 * later_links: the content links of items that came after the training.
 *
 * A generation's links (core/model/links.h) end with the items that it was trained on. A later item
 * has its own list, made from its features: the trained items that are like it, with the weight of
 * the link. A link holds in both directions. A request starts from the items that the user owns, so
 * it needs the lists the other way round: later_index gives for an owned item the later items that
 * name it.
 *
 * The index only grows. A replaced list leaves its entries behind; an entry counts only while the
 * reader's own view still has the list that it came from, told by a serial number. So readers of
 * older views are right as well, and undoing a write needs no care.
 *
 * One writer adds, any number of readers read.
 */
#ifndef CORE_LATE_LINKS_H
#define CORE_LATE_LINKS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/links.h"

/* A later item's links, ascending by target. Immutable; one allocation, freed by mem_free. */
typedef struct later_list {
    uint32_t serial; /* > 0, of each list another */
    uint32_t count;
    links_entry entries[]; /* (count) */
} later_list;

/* later_list_new leaves the list's serial 0 and out a link to `self`, the item whose list it is. */
err_code later_list_new(later_list **out, uint32_t self, const links_entry *entries, size_t count,
                        err *e) ERR_CHECKED;

/* One link, seen from the owned item. */
typedef struct later_entry {
    uint32_t item;   /* the later item */
    uint32_t serial; /* of its list */
    uint32_t next;   /* place of the next entry + 1, 0: none */
    float weight;
} later_entry;

enum { LATER_CHUNK = 16384, LATER_CHUNKS_MAX = 65536 };

typedef struct later_index {
    size_t items;             /* rows that can be owned */
    _Atomic(uint32_t) *first; /* (items) place of the first entry + 1 */
    later_entry **chunks;     /* (LATER_CHUNKS_MAX) of LATER_CHUNK entries, at fixed addresses */
    uint32_t count;           /* the writer's own */
} later_index;

/* later_index_init makes an empty index for `items` rows; later_index_fini frees it, or zeros. */
err_code later_index_init(later_index *x, size_t items, err *e) ERR_CHECKED;
void later_index_fini(later_index *x);

/* later_index_add enters the list of `item`. */
err_code later_index_add(later_index *x, uint32_t item, const later_list *list, err *e) ERR_CHECKED;

/* later_index_first and later_index_next go through the entries of an owned item; NULL at the end.
 */
const later_entry *later_index_first(const later_index *x, uint32_t owned);
const later_entry *later_index_next(const later_index *x, const later_entry *entry);

#endif
