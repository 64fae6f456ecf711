/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: what core/serve/query/search.c and core/serve/query/search_bounded.c share. Private to
 * them; search_best is declared in core/serve/query/recommend_scratch.h.
 */
#ifndef CORE_SERVE_SEARCH_H
#define CORE_SERVE_SEARCH_H

#include "core/serve/query/recommend_scratch.h"

/* search_score offers rows of the base to `best` by their whole score and marks them in s->skip. */
void search_score(const view *v, const uint32_t *rows, size_t count, recommend_scratch *s,
                  topk *best);

/* search_bounded offers the best rows of the base, except those that s->skip marks, to `best`.
 * Their score is the inner product plus what the links of s->sums add. */
err_code search_bounded(const view *v, bool exactly, recommend_scratch *s, topk *best,
                        index_result *found, err *e) ERR_CHECKED;

#endif
