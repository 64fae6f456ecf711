/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_query: encodes a query's text, with the vocabulary of the view's generation. If the
 * generation has none, it uses the vector of the external encoder, if that has answered
 * (api/resources/encoded_text.h).
 */
#ifndef API_TEXT_QUERY_H
#define API_TEXT_QUERY_H

#include <stddef.h>

#include "api/web/context.h"
#include "core/serve/state/coldstart.h"

typedef struct text_query {
    cold_item *item; /* NULL without a model, or if no word is known and there is no vector */
    size_t known;    /* terms that are in the vocabulary */
} text_query;

/* text_query_init encodes `text`. Absent text gives an empty query. Needs the context's view. Call
 * text_query_fini whatever the outcome. */
err_code text_query_init(text_query *out, const context *c, slice text, err *e) ERR_CHECKED;
void text_query_fini(text_query *q);

/* answer_text writes the member that tells how much of the text is known. */
void answer_text(context *c, const text_query *q);

#endif
