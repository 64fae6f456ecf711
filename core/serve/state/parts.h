/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts: divides a score into a multimodal and a collaborative part.
 *
 * A score is an inner product <h, x> of two rows of H. Its multimodal part lies in the directions
 * of H that the items' content predicts well. Its collaborative part lies in the directions that
 * content predicts worst or, where its rank is low, not at all. The two parts sum to the score.
 * Dividing the dimensions by the weights w of FSC was measured and rejected: neither part then
 * follows what it is named after (docs/measurements.md, "The two parts of a score"), because
 * training lets content into the early dimensions too.
 *
 * The directions are computed once from the generation's own tables: R2 of a ridge regression from
 * the whitened features to H, as a generalised eigenproblem. Both parts are linear in h, so
 * balanced and partial searches are still inner products with the rows of H.
 */
#ifndef CORE_PARTS_H
#define CORE_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"
#include "core/model/model.h"

typedef struct parts {
    size_t dim;
    float *into; /* (dim, dim) row j is what dimension j of h becomes in the multimodal part */
} parts;

/* parts_new fits the two parts to the model's content tables and its rows of H, `h` (items, dim).
 * For a model without modalities, or with content of rank 0, it divides by w. */
err_code parts_new(parts **out, const model *m, const float *h, err *e) ERR_CHECKED;
void parts_free(parts *p); /* accepts NULL */

/* parts_multimodal writes the vector whose inner products with rows of H are the multimodal parts
 * of those of `h`. h - out gives the collaborative parts. */
void parts_multimodal(const parts *p, const float *h, float *out);

/* parts_row writes the row's own multimodal (or collaborative) component, for likeness by one
 * part. */
void parts_row(const parts *p, bool multimodal, const float *x, float *out);

#endif
