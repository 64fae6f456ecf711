/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_served: completes a trained model for service, over the interactions of every split.
 *
 * E and the choice of links are there. What follows from them and counts every split comes last:
 * the map between features, the items that nobody has taken, the test figure, H, G and the
 * collaborative links.
 */
#ifndef CORE_TRAIN_SERVED_H
#define CORE_TRAIN_SERVED_H

#include "core/train/loop/train.h"

/* train_served takes the features from `d`, and the pairs from `served`, where the model is
 * measured on the test pairs over the graph of the training pairs. Of the hooks it calls place. */
err_code train_served(model *m, const dataset *d, const dataset *served, const train_hooks *h,
                      err *e) ERR_CHECKED;

#endif
