/* SPDX-License-Identifier: Apache-2.0 */
/* model_train: POST, GET and DELETE /model/train. The training itself runs in a separate
 * process. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/web/body.h"
#include "api/web/store_answer.h"

enum { OPTIONS_MAX = 64, PARTS_MAX = 32 };

static err_code no_training(err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "this process does not run trainings");
}

/* option_name returns the name of an option on the command line. A body may write it with
 * underscores. */
static slice option_name(context *c, const char *key)
{
    char *name = arena_printf(c->memory, "%s", key);
    for (char *at = name; at != NULL && *at != '\0'; at++) {
        *at = *at == '_' ? '-' : *at;
    }
    return slice_of(name != NULL ? name : key);
}

static const char *scalar_text(context *c, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING: {
        slice text = body_text_of(value);
        return memchr(text.at, '\0', text.length) == NULL ? text.at : NULL;
    }
    case JSON_INTEGER:
        return arena_printf(c->memory, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL: return arena_printf(c->memory, "%.17g", json_real_value(value));
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    default: return NULL;
    }
}

/* The options in the body. A wrong option stays in the list without a value, so that the others can
 * still be checked. */
typedef struct train_body {
    api_train_option options[OPTIONS_MAX];
    size_t count;
    bool nomem;
} train_body;

/* read_object turns {"text":5,"image":1} into "text=5,image=1" for the command line, so a name must
 * not contain "=" or ",". */
static void read_object(const body_object *o, train_body *b, api_train_option *option)
{
    const char *key;
    json_t *value;
    const char *text = "";
    context *c = o->c;
    api_train_part *parts = arena_alloc(c->memory, json_object_size(o->json), sizeof *parts);
    json_object_foreach((json_t *)o->json, key, value)
    {
        const char *scalar = scalar_text(c, value);
        const char *pointer = body_pointer(o, key);
        if (strpbrk(key, ",=") != NULL) {
            problem_at(&c->problems, pointer, "expected a name without , and =");
            text = NULL;
        } else if (scalar == NULL) {
            problem_at(&c->problems, pointer, "expected a string, a number or a boolean");
            text = NULL;
        } else if (text != NULL && parts != NULL) {
            parts[option->part_count++] = (api_train_part){slice_of(key), pointer};
            text =
                arena_printf(c->memory, "%s%s%s=%s", text, text[0] != '\0' ? "," : "", key, scalar);
            b->nomem |= text == NULL;
        }
    }
    b->nomem |= parts == NULL;
    option->value = slice_of(text);
    option->parts = parts;
}

static void read_option(const body_object *o, const char *key, const json_t *value, train_body *b)
{
    context *c = o->c;
    const char *pointer = body_pointer(o, key);
    if (b->count == OPTIONS_MAX) {
        problem_at(&c->problems, pointer, "expected at most %d options", OPTIONS_MAX);
        return;
    }
    api_train_option *option = &b->options[b->count++];
    *option = (api_train_option){.name = option_name(c, key), .pointer = pointer};
    if (json_is_object(value) && json_object_size(value) <= PARTS_MAX) {
        read_object(&(body_object){c, value, pointer}, b, option);
    } else if (json_is_object(value)) {
        problem_at(&c->problems, pointer, "expected at most %d members, not %zu", PARTS_MAX,
                   json_object_size(value));
    } else {
        option->value = slice_of(scalar_text(c, value));
        if (option->value.at == NULL) {
            problem_at(&c->problems, pointer,
                       "expected a string, a number, a boolean or an object");
        }
    }
}

static err_code read_body(context *c, train_body *b, err *e)
{
    const char *key;
    json_t *value;
    body_object o;
    err_code code = body_parse(c, &o, e);
    if (code == ERR_OK) {
        json_object_foreach((json_t *)o.json, key, value)
        {
            read_option(&o, key, value, b);
        }
        code = b->nomem ? err_nomem(e, "training options") : ERR_OK;
    }
    return code;
}

/* start lets the process check the options against the command line's table, and start the
 * training. */
static err_code start(context *c, const train_body *b, err *e)
{
    err why = ERR_INIT;
    err_code code = c->deps->train_start(c->deps->ctx, b->options, b->count, problem_report,
                                         &c->problems, &why);
    if (code == ERR_INVALID && c->problems.found > 0) {
        return context_check(c, e);
    }
    return code == ERR_OK ? ERR_OK : err_set(e, code, "%s", why.text);
}

static const char *const state_names[] = {"idle", "running", "done", "failed", "cancelled"};

static json_t *known(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *moment(int64_t seconds)
{
    return seconds != 0 ? tree_time(seconds) : json_null();
}

/* answer_status answers with the state of the training. `still` is the detail if one is running;
 * NULL if none is. */
static err_code answer_status(context *c, const char *still, err *e)
{
    api_train_status s = {.loss = NAN, .seconds_left = NAN, .metric_value = NAN};
    c->deps->train_status(c->deps->ctx, &s);
    json_t *metric = s.metric[0] != '\0' ? json_string(s.metric) : json_null();
    const char *told = s.state == API_TRAIN_RUNNING && still != NULL ? still : s.detail;
    json_t *detail = told[0] != '\0' ? json_string(told) : json_null();
    json_t *answer = json_pack(
        "{s:s,s:o,s:o,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:b,s:o}", "state",
        (unsigned)s.state < 5 ? state_names[s.state] : "idle", "started", moment(s.started),
        "ended", moment(s.ended), "epoch", (json_int_t)s.epoch, "epochs", (json_int_t)s.epochs,
        "loss", known(s.loss), "metric", metric, "metric_value", known(s.metric_value),
        "seconds_left", known(s.seconds_left), "generation", tree_generation(s.generation),
        "activated", (int)s.activated, "detail", detail);
    return answer_tree(c, answer, e);
}

err_code handle_model_train_post(context *c, err *e)
{
    train_body body = {.count = 0};
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK && c->request->body.length > 0) {
        code = read_body(c, &body, e);
    }
    if (code == ERR_OK && (c->deps->train_start == NULL || c->deps->train_status == NULL)) {
        code = no_training(e);
    }
    if (code == ERR_OK) {
        code = start(c, &body, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    c->response->status = 202;
    memcpy(c->response->location, "/model/train", sizeof "/model/train");
    return answer_status(c, NULL, e);
}

err_code handle_model_train_get(context *c, err *e)
{
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK && c->deps->train_status == NULL) {
        code = no_training(e);
    }
    return code == ERR_OK ? answer_status(c, NULL, e) : code;
}

err_code handle_model_train_delete(context *c, err *e)
{
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK && (c->deps->train_cancel == NULL || c->deps->train_status == NULL)) {
        code = no_training(e);
    }
    if (code == ERR_OK) {
        code = c->deps->train_cancel(c->deps->ctx, e);
    }
    return code == ERR_OK ? answer_status(c, "being cancelled; it has not stopped yet", e) : code;
}
