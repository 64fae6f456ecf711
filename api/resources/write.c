/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/write.h"

#include <stdio.h>
#include <string.h>

#include "api/web/problem.h"
#include "core/common/mem.h"
#include "storage/env/sha256.h"

_Static_assert((int)IDEMPOTENCY_HASH_BYTES == (int)SHA256_BYTES,
               "a request is identified by its digest");

err_code write_new(context *c, op_kind kind, size_t bytes_max, api_write **out, err *e)
{
    *out = NULL;
    api_write *w = mem_array(1, sizeof *w);
    if (w == NULL) {
        return err_nomem(e, "a write");
    }
    err_code code = op_new(&w->op, kind, bytes_max, e);
    if (code != ERR_OK) {
        mem_free(w);
        return code;
    }
    w->op->time = c->request->now;
    w->route = c->route->path;
    w->list = "";
    w->errors_max = c->deps->limits.errors_max;
    slice id = c->request->request_id;
    size_t length = id.length < REQUEST_ID_BYTES_MAX ? id.length : REQUEST_ID_BYTES_MAX;
    memcpy(w->request_id, id.at != NULL ? id.at : "", length);
    c->write = w; /* if the handler fails, run() frees it */
    *out = w;
    return ERR_OK;
}

void write_free(api_write *w)
{
    if (w == NULL) {
        return;
    }
    for (uint32_t i = 0; w->prepared != NULL && i < w->op->count; i++) {
        cold_item_free(w->prepared[i]);
    }
    op_free(w->op);
    mem_free(w);
}

/* carry_embeddings copies the embeddings' documents into the op, so that applying it stores the
 * same answer. */
static err_code carry_embeddings(api_write *w, err *e)
{
    op *o = w->op;
    slice *made = arena_alloc(&o->memory, o->count, sizeof *made);
    buffer text;
    buffer_init(&text, OP_EMBEDDING_BYTES_MAX);
    err_code code = made != NULL ? ERR_OK : err_nomem(e, "an embedding");
    for (uint32_t i = 0; code == ERR_OK && i < o->count; i++) {
        made[i] = (slice){NULL, 0};
        if (w->embeddings[i].known) {
            buffer_reset(&text, SIZE_MAX);
            write_embedding_put(&text, &w->embeddings[i]);
            code = json_answer_check(&text, e);
            made[i] = arena_slice(&o->memory, (slice){text.at, text.length});
            if (code == ERR_OK && made[i].at == NULL) {
                code = err_nomem(e, "an embedding");
            }
        }
    }
    o->answer.embeddings = made;
    buffer_fini(&text);
    return code;
}

static err_code carry_answer(api_write *w, err *e)
{
    op_answer *a = &w->op->answer;
    a->single = w->single;
    a->errors_max = (uint16_t)(w->errors_max < UINT16_MAX ? w->errors_max : UINT16_MAX);
    a->model = w->model;
    a->list = arena_slice(&w->op->memory, slice_of(w->list));
    a->request_id = arena_slice(&w->op->memory, slice_of(w->request_id));
    if (a->list.at == NULL || a->request_id.at == NULL) {
        return err_nomem(e, "an idempotency key");
    }
    w->op->render = write_render;
    return w->embeddings != NULL ? carry_embeddings(w, e) : ERR_OK;
}

err_code write_idempotent(context *c, api_write *w, err *e)
{
    slice key = c->request->idempotency_key;
    if (key.at == NULL || !slice_equal(c->request->method, slice_of("POST"))) {
        return ERR_OK;
    }
    for (size_t i = 0; i < key.length; i++) {
        if (key.at[i] < 0x21 || key.at[i] > 0x7e) {
            key.length = 0;
        }
    }
    if (key.length < 1 || key.length > IDEMPOTENCY_KEY_BYTES_MAX) {
        problem_parameter(&c->problems, slice_of("Idempotency-Key"),
                          "expected 1 to %d printable ASCII characters without spaces",
                          IDEMPOTENCY_KEY_BYTES_MAX);
        return context_check(c, e);
    }
    w->op->idempotency_key = arena_slice(&w->op->memory, key);
    if (w->op->idempotency_key.at == NULL) {
        return err_nomem(e, "an idempotency key");
    }
    const slice parts[] = {c->request->method, c->request->target, c->request->body};
    err_code code = carry_answer(w, e);
    return code == ERR_OK ? sha256_parts(parts, 3, w->op->idempotency_hash, e) : code;
}
