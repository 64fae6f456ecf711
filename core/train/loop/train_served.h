/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_served: completes a trained model for service, over the interactions of every split.
 *
 * The caller has trained E and chosen the links. This computes, last, what depends on them and
 * counts every split: the map between features, the places of items that nobody has taken, the
 * metrics on the test pairs, H, G and the collaborative links.
 */
#ifndef CORE_TRAIN_SERVED_H
#define CORE_TRAIN_SERVED_H

#include "core/train/loop/train.h"

/* train_served takes the features from `d` and the pairs from `served`. It measures the model on
 * the test pairs, over the graph of the training pairs. Of the hooks it calls `place`. */
err_code train_served(model *m, const dataset *d, const dataset *served, const train_hooks *h,
                      err *e) ERR_CHECKED;

#endif
