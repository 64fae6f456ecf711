/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words_reference: the vector of a text's terms, and the space of the terms, in double precision.
 *
 * words.c adds vectors of 16-bit integers 64 columns at a time; subspace.c finds singular vectors
 * by iterating from a random start. tests/unit/test_reference.c compares them with the definitions
 * here. Only tests call it. Pure; thread-safe.
 */
#ifndef CORE_WORDS_REFERENCE_H
#define CORE_WORDS_REFERENCE_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/common/sparse.h"
#include "core/words/bag.h"
#include "core/words/words.h"

/* words_encode_reference writes the sum of weight * frequency weight * vector over the terms in the
 * vocabulary, scaled to length 1; all 0 if there are none. */
void words_encode_reference(const word_space *w, const bag_term *terms, size_t count,
                            double *out /* (WORDS_WIDTH) */);

/* subspace_reference writes the right singular vectors of `a` as rows, the largest value first: the
 * eigenvectors of A^T A. ERR_NOMEM. */
err_code subspace_reference(const csr *a, double *vectors /* (a->cols, a->cols) */,
                            err *e) ERR_CHECKED;

#endif
