/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/text_query.h"

#include "api/resources/encoded_text.h"
#include "core/serve/state/cold_words.h"

/* by_encoder leaves out->item NULL if there is no vector or its width is wrong. */
static err_code by_encoder(text_query *out, const context *c, err *e)
{
    feature vector;
    err why = ERR_INIT;
    if (!encoded_text_take(c, &vector)) {
        return ERR_OK;
    }
    err_code code = coldstart_prepare(&out->item, c->view, &vector, 1, &why);
    return code == ERR_OK || code == ERR_INVALID ? ERR_OK : err_set(e, code, "%s", why.text);
}

err_code text_query_init(text_query *out, const context *c, slice text, err *e)
{
    *out = (text_query){NULL, 0};
    const word_space *w = coldstart_words(c->view);
    if (text.at == NULL) {
        return ERR_OK;
    }
    if (w == NULL) {
        return by_encoder(out, c, e);
    }
    cold_words all;
    item_content content = {.text = {.title = text}};
    err_code code = cold_words_add(&all, w, &content, e);
    out->known = all.known;
    if (code == ERR_OK && all.count > 0) {
        code = coldstart_prepare(&out->item, c->view, all.features, all.count, e);
    }
    return code;
}

void text_query_fini(text_query *q)
{
    cold_item_free(q->item);
    q->item = NULL;
}

void answer_text(context *c, const text_query *q)
{
    json_put_key(&c->response->body, "known_words");
    json_put_unsigned(&c->response->body, q->known);
}
