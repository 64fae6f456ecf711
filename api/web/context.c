/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/context.h"

#include "api/web/json_write.h"

void context_view(context *c)
{
    if (c->view == NULL) {
        live_acquire(c->deps->live, &c->hold);
        c->view = c->hold.view;
    }
}

void context_view_end(context *c)
{
    if (c->view != NULL) {
        live_release(c->deps->live, &c->hold);
        c->view = NULL;
    }
}

void context_phase(context *c, api_phase phase)
{
    if (c->deps->clock_ns != NULL) {
        uint64_t now = c->deps->clock_ns();
        c->response->phase_ns[phase] += now - c->phase_began;
        c->phase_began = now;
    }
}

err_code context_check(context *c, err *e)
{
    const problem_list *list = &c->problems;
    if (list->found == 0) {
        return ERR_OK;
    }
    if (list->count == 0) {
        return err_set(e, ERR_INVALID, "the request is invalid");
    }
    const problem_entry *first = &list->entries[0];
    const char *place = first->place[0] != '\0' ? first->place : "body";
    if (list->found == 1) {
        return err_set(e, ERR_INVALID, "%s: %s", place, first->detail);
    }
    return err_set(e, ERR_INVALID, "%zu problems, the first: %s: %s", list->found, place,
                   first->detail);
}

static void put_model_seq(context *c, uint64_t seq)
{
    buffer *b = &c->response->body;
    json_put_key(b, "model");
    if (view_generation(c->view) == 0) {
        buffer_put(b, "null", 4);
    } else {
        json_put_unsigned(b, view_generation(c->view));
    }
    json_put_key(b, "seq");
    json_put_unsigned(b, seq);
}

void context_model_seq(context *c)
{
    put_model_seq(c, view_seq(c->view));
}

void context_list_state(context *c)
{
    buffer *b = &c->response->body;
    context_model_seq(c);
    json_put_key(b, "view");
    buffer_put(b, "{", 1);
    put_model_seq(c, view_tables_seq(c->view));
    buffer_put(b, "}", 1);
}
