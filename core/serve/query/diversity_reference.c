/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/query/diversity_reference.h"

#include <math.h>
#include <stdbool.h>

#include "core/common/mem.h"
#include "core/search/scan.h"

err_code diversity_reference(const diversity_candidates *c, float diversity, size_t scaled,
                             size_t (*pool)(size_t places), size_t depth, uint32_t *ranks, err *e)
{
    bool *taken = mem_array(c->count, sizeof *taken);
    float *nearness = mem_array(c->count, sizeof *nearness); /* largest cosine to a chosen item */
    if (taken == NULL || nearness == NULL) {
        mem_free(taken);
        mem_free(nearness);
        return err_nomem(e, "a diverse list");
    }
    float low = c->score[(scaled < c->count ? scaled : c->count) - 1], span = c->score[0] - low;
    for (size_t place = 0; place < depth; place++) {
        float best = -INFINITY;
        size_t winner = 0;
        for (size_t i = 0; i < c->count && i < pool(place + 1); i++) {
            float relevance = span > 0 ? (c->score[i] - low) / span : 1;
            float value = (1 - diversity) * relevance - diversity * nearness[i];
            if (!taken[i] && value > best) {
                best = value;
                winner = i;
            }
        }
        taken[winner] = true;
        ranks[place] = (uint32_t)winner;
        for (size_t i = 0; i < c->count; i++) {
            float cosine = scan_dot(c->unit + winner * c->dim, c->unit + i * c->dim, c->dim);
            nearness[i] = fmaxf(nearness[i], cosine);
        }
    }
    mem_free(taken);
    mem_free(nearness);
    return ERR_OK;
}
