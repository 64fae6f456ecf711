/* SPDX-License-Identifier: Apache-2.0 */
/*
 * next_item: builds a data set that asks for each user's next item, by time.
 *
 * The item to be found is the user's earliest held-out one. Everything that the user did before it,
 * in any split, is the history, as in a live service: these become the new training pairs. Items
 * that training has learned and that came later are masked; other held-out interactions are
 * dropped. At equal times, the lower split comes first. Users with nothing held out keep their
 * training pairs.
 *
 * Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", 2016, and the
 * leave-one-out of sequential recommendation (Kang and McAuley, 2018), by time.
 */
#ifndef CORE_NEXT_ITEM_H
#define CORE_NEXT_ITEM_H

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/eval.h"

/* next_item_new makes data to be judged on EVAL_TEST under PROTOCOL_STAIR. `test` holds the item to
 * be found of each user who has one in the split `on`, `train` the histories, and `valid` the
 * masked items. It borrows d's features, so `d` must outlive it. */
err_code next_item_new(dataset **out, const dataset *d, eval_on on, err *e) ERR_CHECKED;

#endif
