/* SPDX-License-Identifier: Apache-2.0 */
/*
 * term_counts: counts in how many items each term occurs, in bounded memory.
 *
 * A catalogue has far more terms than are worth keeping, and most occur once. When the table is
 * full, the rarest terms are dropped (lossy counting: Manku and Motwani, "Approximate frequency
 * counts over data streams", 2002). A dropped term that occurs again starts at 1. The same items in
 * the same order give the same table. One thread at a time.
 */
#ifndef CORE_TERM_COUNTS_H
#define CORE_TERM_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/words/bag.h"

typedef struct term_count {
    uint64_t hash;  /* 0 in a free place */
    uint32_t items; /* number of items with the term */
    uint32_t kind;  /* bag_kind */
} term_count;

typedef struct term_counts {
    term_count *places; /* (room) */
    size_t room, count;
} term_counts;

void term_counts_fini(term_counts *t);
err_code term_counts_copy(term_counts *out, const term_counts *t, err *e) ERR_CHECKED;

/* Which of an item's terms are counted. */
typedef enum term_share { BAG_WORDS, BAG_OTHERS } term_share;

/* term_counts_add counts one more item for each of the terms. A zeroed struct is empty. */
err_code term_counts_add(term_counts *t, const bag_term *terms, size_t count, term_share share,
                         err *e) ERR_CHECKED;

#endif
