/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdout: derives datasets from another one: for choosing parameters, and for training on
 * everything.
 *
 * They borrow the source's features and test pairs, so the source must outlive them.
 */
#ifndef CORE_HOLDOUT_H
#define CORE_HOLDOUT_H

#include "core/common/err.h"
#include "core/model/dataset.h"

/* holdout_new makes data for choosing parameters: training and validation pairs, and no test pairs.
 * If the source has no validation pairs, the latest pair of every user with three or more is set
 * aside. The choice of the pair depends on that user's pairs alone. So trainings with other seeds,
 * or after interactions of other users, are measured on the same interactions and can be
 * compared. */
err_code holdout_new(dataset **out, const dataset *d, err *e) ERR_CHECKED;

/* holdout_together makes data whose training pairs are those of training and validation together,
 * with the source's test pairs. */
err_code holdout_together(dataset **out, const dataset *d, err *e) ERR_CHECKED;

#endif
