/* SPDX-License-Identifier: Apache-2.0 */
/*
 * next_item: a data set that asks for each user's next item, by time.
 *
 * The item to be found is the user's earliest held-out one. What the user did before it is their
 * history, of whatever split, as a live service has it: the new training pairs. What training has
 * learned and came later is masked; other held-out interactions are left out. Of one time, the
 * lower split comes first. Users with nothing held out keep their training pairs.
 *
 * Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", 2016, and the
 * leave-one-out of sequential recommendation (Kang and McAuley, 2018), over times.
 */
#ifndef CORE_NEXT_ITEM_H
#define CORE_NEXT_ITEM_H

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"

/* next_item_new gives data to be judged on EVAL_TEST under PROTOCOL_STAIR: `test` holds the item to
 * be found of each user with one in the split `on`, `train` the histories, `valid` what is masked.
 * It borrows d's features, so `d` must outlive it. */
err_code next_item_new(dataset **out, const dataset *d, eval_on on, err *e) ERR_CHECKED;

#endif
