/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdout: data sets derived from another, for choosing and for training on everything.
 *
 * They borrow the source's features and test pairs, so it must outlive them.
 */
#ifndef CORE_HOLDOUT_H
#define CORE_HOLDOUT_H

#include "core/common/err.h"
#include "core/model/dataset.h"

/* holdout_new gives data to choose by: training and validation pairs, and no test pairs. Where the
 * source has no validation pairs, the latest pair of every user with three or more is set aside.
 * Which one depends on that user's pairs alone, so that trainings with other seeds, or after other
 * users' news, are measured on the same interactions and can be compared. */
err_code holdout_new(dataset **out, const dataset *d, err *e) ERR_CHECKED;

/* holdout_together gives data with training and validation pairs together, and the test pairs. */
err_code holdout_together(dataset **out, const dataset *d, err *e) ERR_CHECKED;

#endif
