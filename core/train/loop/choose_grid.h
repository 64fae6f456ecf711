/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose_grid: every combination of links, judged on the validation users in one pass.
 *
 * For each user the dense scores are computed once and the sums of links once for every kind and
 * recency; a combination of weights then costs one addition an item that links speak for. Ranks are
 * counted, not sorted: an interaction to be found ranks behind the items that score more.
 *
 * Deterministic: users are summed up in their order whatever the number of threads.
 */
#ifndef CORE_CHOOSE_GRID_H
#define CORE_CHOOSE_GRID_H

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/links.h"
#include "core/model/model.h"
#include "core/train/loop/prepare.h"

/* choose_grid writes the best choice by the metric that the model's options select by; all betas 0
 * if none is better than the inner product alone. */
err_code choose_grid(links_choice *out, const model *m, const dataset *d, const prepared *p,
                     err *e) ERR_CHECKED;

#endif
