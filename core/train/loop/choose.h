/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose: how a trained E is served best, decided on validation without training anew.
 *
 * First the serving layers: E is served as it was trained unless another way of serving gains
 * CHOOSE_SERVING_GAIN_MIN on validation. Then the links: the kind and shrinkage of the
 * collaborative ones, how fast a user's interactions fade, and the weight of each source, 0 among
 * them. A full grid is tried in one pass over the validation users: links only add, so the best k
 * of any combination are among the best k by inner products and the items that links speak for.
 *
 * Deterministic, whatever the number of threads. One thread calls.
 */
#ifndef CORE_CHOOSE_H
#define CORE_CHOOSE_H

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/model.h"
#include "core/train/loop/prepare.h"

#define CHOOSE_SERVING_GAIN_MIN 1.04
#define CHOOSE_LINKS_GAIN_MIN   1.01

/* Of more validation users so many, spread evenly, decide on the links. */
enum { CHOOSE_USERS_MAX = 10000 };

/* choose_serving sets the model's way of serving and serving_gain by the validation pairs of `d`,
 * over the graph of its training pairs. m->valid is how E does as it was trained; afterwards it is
 * that of the way chosen. */
err_code choose_serving(model *m, const dataset *d, err *e) ERR_CHECKED;

/* choose_links gives the model links over the training pairs of `d`, with the choice in them, and
 * sets links_gain and m->valid; links stay NULL where they gain less than CHOOSE_LINKS_GAIN_MIN.
 * `content` are the links by features, which it copies; their tables may be NULL. */
err_code choose_links(model *m, const dataset *d, const prepared *p, err *e) ERR_CHECKED;

/* choose_again gives the model links over the training pairs of `d` by a choice that was made
 * before. */
err_code choose_again(model *m, const dataset *d, const prepared *p, const links_choice *choice,
                      err *e) ERR_CHECKED;

#endif
