/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/shortlist_reference.h"

size_t shortlist_reference(const float *scores, size_t count, size_t k, uint32_t *rows)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t better = 0;
        for (size_t j = 0; j < count; j++) {
            better += scores[j] > scores[i] || (j < i && scores[j] == scores[i]);
        }
        if (scores[i] > 0 && better < k) {
            rows[kept++] = (uint32_t)i;
        }
    }
    return kept;
}
