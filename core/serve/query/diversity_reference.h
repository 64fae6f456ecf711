/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diversity_reference: maximal marginal relevance by comparing every candidate with every chosen
 * item.
 *
 * diversity.c compares a candidate only as far as necessary. tests/unit/test_diversity.c checks
 * that both give the same lists. Only tests call it. Pure; thread-safe.
 */
#ifndef CORE_DIVERSITY_REFERENCE_H
#define CORE_DIVERSITY_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"

/* The candidates, best score first. */
typedef struct diversity_candidates {
    const float *score; /* (count) */
    const float *unit;  /* (count, dim) rows of H, scaled to length 1 */
    size_t count, dim;
} diversity_candidates;

/* diversity_reference writes the ranks of the `depth` (<= count) candidates that MMR chooses, in
 * its order. Relevance is the score scaled to 0..1 over the best `scaled` candidates. Place n is
 * chosen from the best pool(n + 1) candidates. ERR_NOMEM. */
err_code diversity_reference(const diversity_candidates *c, float diversity, size_t scaled,
                             size_t (*pool)(size_t places), size_t depth,
                             uint32_t *ranks /* (depth) */, err *e) ERR_CHECKED;

#endif
