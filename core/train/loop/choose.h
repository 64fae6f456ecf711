/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose: decides on validation how to serve a trained E best, without training again.
 *
 * The serving layers come first: E is served as it was trained, unless another way of serving
 * improves the metric by the factor CHOOSE_SERVING_GAIN_MIN. The links follow: the kind and
 * shrinkage of collaborative links, how fast a user's interactions fade, and the weight of each
 * source, which can be 0. One pass over the validation users tries a full grid. Links only add to
 * scores, so the best k items under any combination are among the best k by inner products and the
 * items that links lead to.
 *
 * Deterministic for any number of threads. One thread calls.
 */
#ifndef CORE_CHOOSE_H
#define CORE_CHOOSE_H

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/model.h"
#include "core/train/loop/prepare.h"

#define CHOOSE_SERVING_GAIN_MIN 1.04
#define CHOOSE_LINKS_GAIN_MIN   1.01

/* At most so many validation users, spread evenly, decide on the links. */
enum { CHOOSE_USERS_MAX = 10000 };

/* choose_serving sets the model's way of serving and serving_gain by the validation pairs of `d`,
 * over the graph of its training pairs. m->valid must hold the metrics of E as trained. Afterwards
 * it holds those of the chosen way. */
err_code choose_serving(model *m, const dataset *d, err *e) ERR_CHECKED;

/* choose_links gives the model links over the training pairs of `d`, including the chosen
 * parameters, and sets links_gain and m->valid. The links stay NULL if they gain less than
 * CHOOSE_LINKS_GAIN_MIN. The content links are copied from `p`, where they may be NULL. */
err_code choose_links(model *m, const dataset *d, const prepared *p, err *e) ERR_CHECKED;

/* choose_again gives the model links over the training pairs of `d` with parameters that were
 * chosen before. */
err_code choose_again(model *m, const dataset *d, const prepared *p, const links_choice *choice,
                      err *e) ERR_CHECKED;

#endif
