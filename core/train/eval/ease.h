/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ease: a linear autoencoder over items, the strongest of the simple baselines.
 *
 *     P = (X'X + lambda I)^-1,  B = -P / diag(P) by columns, 0 on the diagonal;  scores = x_u B
 *
 * X is the 0/1 matrix of training interactions. The weights are dense, 4 bytes for every pair of
 * items with interactions, so the size of the catalogue is limited. Items without interactions are
 * unscored.
 *
 * Immutable after new. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
 */
#ifndef CORE_EASE_H
#define CORE_EASE_H

#include <stddef.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"

enum { EASE_ITEMS_MAX = 20000 };
#define EASE_LAMBDA 50.0

typedef struct ease ease;

/* ease_new computes the weights on `threads` BLAS threads. The time grows with the cube of the
 * number of items with interactions. ERR_TOO_LARGE: there are more than EASE_ITEMS_MAX. Borrows
 * `d`. */
err_code ease_new(ease **out, const dataset *d, int threads, err *e) ERR_CHECKED;
void ease_free(ease *x); /* accepts NULL */

/* ease_bytes returns the size of the weights in memory. */
size_t ease_bytes(const dataset *d);

/* ease_lister borrows `x`. */
eval_lister ease_lister(ease *x);

#endif
