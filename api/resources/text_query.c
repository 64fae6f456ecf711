/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/text_query.h"

#include "core/serve/state/cold_words.h"

err_code text_query_init(text_query *out, const context *c, slice text, err *e)
{
    *out = (text_query){NULL, 0};
    const word_space *w = coldstart_words(c->view);
    if (text.at == NULL || w == NULL) {
        return ERR_OK;
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
