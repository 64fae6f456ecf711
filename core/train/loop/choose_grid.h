/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose_grid: evaluates every combination of link parameters on the validation users, in one pass.
 *
 * For each user, the inner products are computed once and the sums of links once for every kind and
 * recency. A combination of weights then costs one addition for each item that links lead to. Ranks
 * are counted rather than sorted: the rank of an item to be found is the number of items that score
 * more.
 *
 * Deterministic: users are summed in their order, whatever the number of threads.
 */
#ifndef CORE_CHOOSE_GRID_H
#define CORE_CHOOSE_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/links.h"
#include "core/model/model.h"
#include "core/train/loop/prepare.h"

/* choose_grid_kinds returns how many tables of collaborative links choose_grid holds at the same
 * time. `timed` is links_timed of the training pairs. */
size_t choose_grid_kinds(bool timed);

/* choose_grid writes the best choice by the metric of the model's options, and to the empty table
 * *collaborative its collaborative links over the training pairs of `d`. All betas are 0 if no
 * combination is better than the inner product alone. */
err_code choose_grid(links_choice *out, links_table *collaborative, const model *m,
                     const dataset *d, const prepared *p, err *e) ERR_CHECKED;

#endif
