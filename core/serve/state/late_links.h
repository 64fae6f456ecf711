/* SPDX-License-Identifier: Apache-2.0 */
/*
 * late_links: the content links of items that came after the training.
 *
 * A generation's links (core/model/links.h) end with the items that it was trained on. A later item
 * has its own list, made from its features: the trained items that are like it, with the weight of
 * the link. A link holds in both directions. A request starts from the items that the user owns, so
 * it needs the lists the other way round: late_index gives for an owned item the later items that
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
typedef struct late_list {
    uint32_t serial; /* > 0, of each list another */
    uint32_t count;
    links_entry entries[]; /* (count) */
} late_list;

/* late_list_new leaves the list's serial 0 and out a link to `self`, the item whose list it is. */
err_code late_list_new(late_list **out, uint32_t self, const links_entry *entries, size_t count,
                       err *e) ERR_CHECKED;

/* One link, seen from the owned item. */
typedef struct late_entry {
    uint32_t item;   /* the later item */
    uint32_t serial; /* of its list */
    uint32_t next;   /* place of the next entry + 1, 0: none */
    float weight;
} late_entry;

enum { LATE_CHUNK = 16384, LATE_CHUNKS_MAX = 65536 };

typedef struct late_index {
    size_t items;             /* rows that can be owned */
    _Atomic(uint32_t) *first; /* (items) place of the first entry + 1 */
    late_entry **chunks;      /* (LATE_CHUNKS_MAX) of LATE_CHUNK entries, at fixed addresses */
    uint32_t count;           /* the writer's own */
} late_index;

/* late_index_init makes an empty index for `items` rows; late_index_fini frees it, or zeros. */
err_code late_index_init(late_index *x, size_t items, err *e) ERR_CHECKED;
void late_index_fini(late_index *x);

/* late_index_add enters the list of `item`. */
err_code late_index_add(late_index *x, uint32_t item, const late_list *list, err *e) ERR_CHECKED;

/* late_index_first and late_index_next go through the entries of an owned item; NULL at the end. */
const late_entry *late_index_first(const late_index *x, uint32_t owned);
const late_entry *late_index_next(const late_index *x, const late_entry *entry);

#endif
