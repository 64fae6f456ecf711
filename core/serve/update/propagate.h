/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propagate: runs FSC in the background over the current graph.
 *
 * A write changes only the rows that it touches. This run repeats the whole forward convolution
 * over a view's graph, with the generation's E for trained rows and the rows of E that later items
 * and users received. The result is a base whose index holds every item that has a vector. The
 * writer installs it (live_swap).
 *
 * Runs in any thread, for seconds on a large catalogue, and holds `v` meanwhile.
 */
#ifndef CORE_PROPAGATE_H
#define CORE_PROPAGATE_H

#include <stdbool.h>

#include "core/common/err.h"
#include "core/serve/state/base.h"
#include "core/serve/state/view.h"

typedef struct propagate_options {
    int threads;                  /* OpenMP threads of this call; >= 1 */
    bool (*cancelled)(void *ctx); /* called between passes; may be NULL */
    void *ctx;
} propagate_options;

/* propagate_run makes a base for the view's generation. *out stays NULL if the view has no model.
 * ERR_CANCELLED: `cancelled` returned true. */
err_code propagate_run(base **out, const view *v, const propagate_options *options,
                       err *e) ERR_CHECKED;

#endif
