/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drawn_links: links for a drawn model, in number and shape like those of a trained one.
 *
 * Collaborative links are built from the pairs; content links, for which there are no features, are
 * drawn: two modalities with the usual number of neighbours each.
 */
#ifndef TESTS_BENCH_DRAWN_LINKS_H
#define TESTS_BENCH_DRAWN_LINKS_H

#include "core/common/err.h"
#include "core/model/model.h"

/* drawn_links_add adds links of these pairs to the model. The pairs are sorted and unique. */
err_code drawn_links_add(model *m, const pair *pairs, size_t count, int threads,
                         err *e) ERR_CHECKED;

#endif
