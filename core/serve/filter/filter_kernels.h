/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_kernels: finds the values of a column that lie in a range, 64 rows at a time.
 *
 * Every condition on a column reduces to this question: numbers in columns are ordered as unsigned
 * words (core/serve/filter/filter_column.h), times are words already, and equality is a range of
 * one word. A row passes if value - low <= width, modulo 2^64: one subtraction and one comparison,
 * without a branch that depends on a value.
 *
 * If a word of the bitmap is zero, its values are not read. If it has few bits, only the values of
 * those rows are read. Pure functions, any thread.
 */
#ifndef CORE_FILTER_KERNELS_H
#define CORE_FILTER_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct filter_range {
    uint64_t low, width;
} filter_range;

/* filter_keep clears the bits of the rows whose value is outside the range. Row r has bit r % 64 of
 * words[r / 64] and values[r]. */
typedef void (*filter_keep)(const filter_range *range, const uint64_t *values /* (count * 64) */,
                            uint64_t *words /* (count) */, size_t count);

typedef enum filter_kernel {
    FILTER_AVX512 = 0,
    FILTER_AVX2,
    FILTER_PORTABLE,
    FILTER_KERNELS,
} filter_kernel;

/* filter_kernel_get returns NULL if the processor lacks the instructions. filter_kernel_best
 * returns the first kernel that it has. */
filter_keep filter_kernel_get(filter_kernel kernel);
filter_keep filter_kernel_best(void);

#endif
