/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoded_text: gets the vector that an external encoder makes of a request's text.
 *
 * The API calls no encoder itself. A handler that could use the vector postpones the request
 * (API_ENCODE). The server has the text encoded while the connection is suspended, and then starts
 * the request again, with or without the vector. A handler asks once and uses whatever it got.
 */
#ifndef API_ENCODED_TEXT_H
#define API_ENCODED_TEXT_H

#include "api/web/context.h"
#include "core/common/item_fields.h"
#include "storage/log/op.h"

/* encoded_text_called tells whether the encoder was called for the text of this query. */
bool encoded_text_called(const context *c);

/* encoded_text_ask postpones the request (ERR_CANCELLED) for the text of a query. It does not if
 * the request was postponed before, the generation has words, or it lacks the encoder's modality.
 * A request over the rate of work fails before the encoder is called (ERR_UNAVAILABLE). Needs the
 * context's view. */
err_code encoded_text_ask(context *c, slice text, err *e) ERR_CHECKED;

/* encoded_text_ask_item does the same for an item that is not in the view and has no vector of the
 * encoder's modality. */
err_code encoded_text_ask_item(context *c, const op_item *it, err *e) ERR_CHECKED;

/* encoded_text_take fills *out, borrowed for the request, with the encoder's vector. It returns
 * false if there is none. */
bool encoded_text_take(const context *c, feature *out);

#endif
