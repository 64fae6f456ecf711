/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drawn_links: gives a drawn model links whose number and shape are like those of a trained model.
 *
 * Collaborative links are built from the pairs. Content links are drawn, because there are no
 * features: two modalities, each with the usual number of neighbours. */
#ifndef TESTS_BENCH_DRAWN_LINKS_H
#define TESTS_BENCH_DRAWN_LINKS_H

#include "core/common/err.h"
#include "core/model/model.h"

/* drawn_links_add adds links to the model, the collaborative ones from these pairs. The pairs are
 * sorted and unique. */
err_code drawn_links_add(model *m, const pair *pairs, size_t count, int threads,
                         err *e) ERR_CHECKED;

#endif
