/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpr: the pairwise ranking loss of one batch, and its gradient.
 *
 * A batch is a list of triples (user, positive, negative). The loss is the mean of softplus(-(<H_u,
 * H_p> - <H_u, H_n>)) (Rendle et al., "BPR", 2009). Only the batch's distinct rows matter, so each
 * gets a slot: `h` and `g` are tables by slot, and the convolution finds a row's slot in `slot_of`.
 * The gradient is one small sparse product over slots, G = C H, where C holds every triple's
 * coefficient four times. So one thread sums each row, in a fixed order.
 *
 * One thread at a time.
 */
#ifndef CORE_BPR_H
#define CORE_BPR_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/rng.h"
#include "core/common/sparse.h"

typedef struct bpr {
    /* Set by bpr_new. */
    size_t users, items, dim, batch_max;
    int threads;
    /* The current batch. */
    size_t count;      /* triples in the batch */
    size_t slots;      /* distinct rows in the batch */
    size_t user_slots; /* how many of the slots are users' rows; these come first */
    uint32_t *row;     /* (3 batch_max) the stacked row of each slot */
    uint32_t *slot_of; /* (users + items) or FSC_NO_SLOT */
    uint32_t *triple;  /* (batch_max, 3) slots of user, positive, negative */
    csr *c;            /* (slots, slots) coefficients; sized for the largest batch */
    uint32_t *place;   /* (batch_max, 4) places of the triple's coefficients in c */
    float *h, *g;      /* (3 batch_max, dim) rows of H and of its gradient, by slot */
    float *loss;       /* (batch_max) */
    float *zero;       /* (dim) */
} bpr;

typedef struct bpr_batch {
    const uint32_t *users, *positives, *negatives; /* (count) rows of users and of items */
    size_t count;
} bpr_batch;

err_code bpr_new(bpr **out, size_t users, size_t items, size_t dim, size_t batch_max,
                 err *e) ERR_CHECKED;
void bpr_free(bpr *b); /* accepts NULL */

/* bpr_begin starts a batch of 1 .. batch_max triples and assigns slots to its rows. */
void bpr_begin(bpr *b, const bpr_batch *batch);

/* bpr_gradient computes g from h, which the caller has filled, and returns the mean loss. */
double bpr_gradient(bpr *b);

/* bpr_end clears the slots. */
void bpr_end(bpr *b);

/* bpr_negative draws an item uniformly from those that the user has no training interaction with
 * and that are not in `gone` (a bitmap, may be NULL). The stacked interaction graph a (users +
 * items) holds the user's interactions. ROW_NONE: there is no such item. */
uint32_t bpr_negative(rng *r, const csr *a, size_t users, uint32_t user, const uint64_t *gone);

#endif
