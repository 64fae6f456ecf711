/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_column: one attribute of all items as a column of 64-bit words.
 *
 * A filter over a million items reads eight bytes per item in sequence instead of following a
 * pointer for each. A word holds one value, encoded so that every condition is a range of unsigned
 * words: numbers keep their order, other kinds come after them, and COLUMN_ABSENT, 0, comes before
 * them. So a leaf that was never written means absence.
 *
 * Texts are interned. A list of texts is interned as the bytes of its texts' numbers. Its word also
 * holds traces (a small hash) of those texts that have no bitmap (core/serve/filter/filter_kept.h),
 * so that few lists must be read.
 */
#ifndef CORE_FILTER_COLUMN_H
#define CORE_FILTER_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/idmap.h"
#include "core/common/item_fields.h"
#include "core/serve/filter/filter.h"
#include "core/serve/filter/filter_kernels.h"

#define COLUMN_ABSENT UINT64_C(0)
enum { COLUMN_LEAF_BITS = 8 };

/* column_encode interns what the attribute needs. Writer only. */
err_code column_encode(uint64_t *out, idmap *strings, const attribute *a, err *e) ERR_CHECKED;

/* column_values writes the values in the word that an equality condition can match, as numbers:
 * interned texts, or one of the two numbers of a bool. It returns how many there are (0 for a
 * number). */
size_t column_values(uint64_t word, const idmap *strings, uint32_t out[ATTRIBUTE_TEXTS_MAX]);

/* column_trace returns the bit, one of sixteen, that a list's word must have for this text, if
 * column_keep can be asked for the text. It returns 0 for other words. */
uint64_t column_trace(uint64_t word, uint32_t text);

/* A condition of a filter, prepared for testing many words. */
typedef struct column_test {
    bool nothing;       /* no word passes */
    filter_range range; /* of words that pass */
    uint32_t value;     /* TEXT and BOOL: as in column_values; otherwise ROW_NONE */
    bool lists;         /* TEXT: lists may contain it */
    const idmap *strings;
} column_test;

column_test column_test_of(const filter_attribute *condition, const idmap *strings);

/* column_keep clears the bits of rows that fail. Bit r % 64 of words[r / 64] belongs to values[r].
 * count <= COLUMN_KEEP_MAX. */
enum { COLUMN_KEEP_MAX = (1 << COLUMN_LEAF_BITS) / 64 };
void column_keep(const column_test *test, filter_keep keep,
                 const uint64_t *values /* (count * 64) */, uint64_t *words /* (count) */,
                 size_t count);

#endif
