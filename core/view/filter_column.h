/*
 * filter_column: an attribute of all items as a column of 64-bit words.
 *
 * A filter over a million items reads eight bytes an item in order instead of following a pointer
 * to each. A word holds one value: a number as its double's bits, everything else under
 * bit patterns that no finite number has; COLUMN_ABSENT is 0, so an unwritten leaf is absence.
 * Texts are interned; a list of texts is interned as the bytes of its texts' numbers.
 */
#ifndef CORE_FILTER_COLUMN_H
#define CORE_FILTER_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/idmap.h"
#include "core/common/item_fields.h"
#include "core/view/filter.h"

#define COLUMN_ABSENT UINT64_C(0)
enum { COLUMN_LEAF_BITS = 8 };

/* column_encode interns what the attribute needs. Writer only. */
err_code column_encode(uint64_t *out, idmap *strings, const attribute *a, err *e) ERR_CHECKED;

/* A filter's condition, ready to be asked of many words. */
typedef struct column_test {
    attribute_kind kind;
    uint64_t equal; /* TEXT and BOOL: the word itself */
    uint32_t text;  /* TEXT: its number, for lists; ROW_NONE: nobody has it */
    double low, high;
    bool low_excluded, high_excluded;
    const idmap *strings;
} column_test;

column_test column_test_of(const filter_attribute *condition, const idmap *strings);
bool column_passes(const column_test *test, uint64_t word);

#endif
