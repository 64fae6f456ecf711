/* POST, GET and DELETE /model/train: the training itself runs in a process of its own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/handlers.h"
#include "api/store_answer.h"

enum { OPTIONS_MAX = 64, NESTED_MAX = 32 };

static err_code no_training(err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "this process does not run trainings");
}

/* Names are those of the command line; a body may write them with underscores. */
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

/* {"text":5,"image":1} is "text=5,image=1" on the command line. */
static const char *object_text(context *c, const json_t *object)
{
    const char *text = "";
    const char *key;
    json_t *value;
    if (json_object_size(object) > NESTED_MAX) {
        return NULL;
    }
    json_object_foreach((json_t *)object, key, value)
    {
        const char *scalar = scalar_text(c, value);
        if (scalar == NULL || text == NULL) {
            return NULL;
        }
        text = arena_printf(c->memory, "%s%s%s=%s", text, text[0] != '\0' ? "," : "", key, scalar);
    }
    return text;
}

static void read_options(const body_object *o, api_train_option *options, size_t *count)
{
    const char *key;
    json_t *value;
    context *c = o->c;
    json_object_foreach((json_t *)o->json, key, value)
    {
        const char *text = json_is_object(value) ? object_text(c, value) : scalar_text(c, value);
        const char *pointer = body_pointer(o, key);
        if (text == NULL) {
            problem_at(&c->problems, pointer, "expected a string, a number or a boolean");
        } else if (*count == OPTIONS_MAX) {
            problem_at(&c->problems, pointer, "too many options");
        } else {
            options[(*count)++] = (api_train_option){option_name(c, key), slice_of(text), pointer};
        }
    }
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

static err_code answer_status(context *c, err *e)
{
    api_train_status s = {.loss = NAN, .seconds_left = NAN, .metric_value = NAN};
    c->deps->train_status(c->deps->ctx, &s);
    json_t *metric = s.metric[0] != '\0' ? json_string(s.metric) : json_null();
    json_t *detail = s.detail[0] != '\0' ? json_string(s.detail) : json_null();
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
    api_train_option options[OPTIONS_MAX];
    size_t count = 0;
    body_object o;
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK && c->request->body.length > 0) {
        code = body_parse(c, &o, e);
        if (code == ERR_OK) {
            read_options(&o, options, &count);
            code = context_check(c, e);
        }
    }
    if (code != ERR_OK) {
        return code;
    }
    if (c->deps->train_start == NULL || c->deps->train_status == NULL) {
        return no_training(e);
    }
    code = c->deps->train_start(c->deps->ctx, options, count, problem_report, &c->problems, e);
    if (code != ERR_OK) {
        return code;
    }
    c->response->status = 202;
    memcpy(c->response->location, "/model/train", sizeof "/model/train");
    return answer_status(c, e);
}

err_code handle_model_train_get(context *c, err *e)
{
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK && c->deps->train_status == NULL) {
        code = no_training(e);
    }
    return code == ERR_OK ? answer_status(c, e) : code;
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
    return code == ERR_OK ? answer_status(c, e) : code;
}
