/* SPDX-License-Identifier: Apache-2.0 */
/* As in scan.c, the compiler must keep the order of additions and fuse none with a product. */
#include "core/common/in_order.h"

#include "core/search/scan_reference.h"

#include "core/common/bits.h"

enum { LANES = 16 };

float scan_dot_reference(const float *a, const float *b, size_t dim)
{
    float sum[LANES] = {0};
    for (size_t j = 0; j < dim; j++) {
        sum[j % LANES] += a[j] * b[j];
    }
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t lane = 0; lane < half; lane++) {
            sum[lane] += sum[lane + half];
        }
    }
    return sum[0];
}

size_t scan_topk_reference(const scan_table *table, const float *q, size_t k, topk_hit *hits)
{
    size_t count = 0;
    for (size_t row = 0; row < table->rows; row++) {
        if (table->skip != NULL && bits_test(table->skip, row)) {
            continue;
        }
        topk_hit hit = {.row = table->first_row + (uint32_t)row,
                        .score = scan_dot_reference(table->x + row * table->dim, q, table->dim)};
        hit.score += table->extra != NULL ? scan_extra_at(table->extra, row) : 0;
        size_t at = count < k ? count++ : k;
        for (; at > 0 && topk_better(hit, hits[at - 1]); at--) {
            if (at < k) {
                hits[at] = hits[at - 1];
            }
        }
        if (at < k) {
            hits[at] = hit;
        }
    }
    return count;
}
