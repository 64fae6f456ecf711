/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recommend_answer: writes a list of hits as JSON, for every route that returns lists.
 *
 * It writes directly into the response. Titles and other members that the view does not hold are
 * read from the store, in one transaction of the same state as the view.
 */
#ifndef API_RECOMMEND_ANSWER_H
#define API_RECOMMEND_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "api/resources/recommend_request.h"
#include "api/web/context.h"
#include "core/serve/query/recommend.h"

/* answer_view takes the view for lists, and with `fields` also a store read of the same write. */
err_code answer_view(context *c, unsigned fields, err *e) ERR_CHECKED;

/* answer_items writes the member "items" and counts the list for the metrics. */
typedef struct answer_items_options {
    unsigned fields; /* FIELD_* */
    bool explain;
    bool created; /* scores are epoch seconds, which floats cannot represent exactly */
} answer_items_options;

err_code answer_items(context *c, const recommend_result *result,
                      const answer_items_options *options, err *e) ERR_CHECKED;

/* rows_of looks ids up in the view and leaves out unknown ones. *rows is (*count) in the context's
 * arena. */
err_code rows_of(context *c, const slice *ids, size_t id_count, const uint32_t **rows,
                 size_t *count, err *e) ERR_CHECKED;

/* answer_fallback writes the member "fallback". */
void answer_fallback(context *c, recommend_fallback fallback);

#endif
