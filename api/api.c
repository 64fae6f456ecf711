/* SPDX-License-Identifier: Apache-2.0 */
/* api: pools the workspaces of requests, dispatches to handlers, and does what all answers share.
 */
#include "api/api.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "api/resources/write.h"
#include "api/route.h"
#include "api/web/context.h"
#include "api/web/min_seq.h"
#include "api/web/problem.h"
#include "core/common/mem.h"

enum {
    KEEP_WORKSPACE_BYTES = 1024 * 1024,
};

struct api {
    api_deps deps; /* immutable */
    spools spools;
    pthread_mutex_t mutex;
    workspace *idle; /* workspaces that are not in use; guarded by mutex */
};

static void limit_default(size_t *limit, size_t value)
{
    if (*limit == 0) {
        *limit = value;
    }
}

err_code api_new(api **out, const api_deps *deps, err *e)
{
    *out = NULL;
    assert(deps->live != NULL && deps->store != NULL && deps->types != NULL);
    assert(deps->health != NULL);
    api *a = mem_array(1, sizeof *a);
    if (a == NULL) {
        return err_nomem(e, "the api");
    }
    a->deps = *deps;
    api_limits *l = &a->deps.limits;
    limit_default(&l->body_bytes_max, (size_t)API_BODY_MIB_MAX << 20);
    limit_default(&l->body_values_max, 8000000);
    limit_default(&l->answer_bytes_max, (size_t)API_ANSWER_MIB_MAX << 20);
    limit_default(&l->batch_items_max, API_BATCH_ITEMS_MAX);
    limit_default(&l->batch_interactions_max, API_BATCH_INTERACTIONS_MAX);
    limit_default(&l->batch_requests_max, API_BATCH_REQUESTS_MAX);
    limit_default(&l->exclude_max, API_EXCLUDE_MAX);
    limit_default(&l->session_items_max, API_SESSION_ITEMS_MAX);
    limit_default(&l->errors_max, 20);
    limit_default(&l->work_max, API_WORK_MAX);
    limit_default(&l->exports_max, API_EXPORTS_MAX);
    limit_default(&l->spool_bytes_max, (size_t)API_SPOOL_GIB_MAX << 30);
    spools_init(&a->spools, l->exports_max, l->spool_bytes_max);
    pthread_mutex_init(&a->mutex, NULL);
    *out = a;
    return ERR_OK;
}

void api_limits_get(const api *a, api_limits *out)
{
    *out = a->deps.limits;
}

static void workspace_free(workspace *w)
{
    if (w != NULL) {
        arena_fini(&w->memory);
        arena_fini(&w->record);
        recommend_scratch_free(w->scratch);
        mem_free(w);
    }
}

void api_free(api *a)
{
    if (a == NULL) {
        return;
    }
    while (a->idle != NULL) {
        workspace *w = a->idle;
        a->idle = w->next;
        workspace_free(w);
    }
    pthread_mutex_destroy(&a->mutex);
    mem_free(a);
}

static workspace *workspace_new(const api *a, err *e)
{
    workspace *w = mem_array(1, sizeof *w);
    uint64_t seed = 0;
    if (w == NULL || getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        mem_free(w);
        err_nomem(e, "a request");
        return NULL;
    }
    arena_init(&w->memory,
               API_WORKSPACE_BYTES + API_WORKSPACE_PER_BODY_BYTE * a->deps.limits.body_bytes_max);
    arena_init(&w->record, API_RECORD_BYTES);
    rng_init(&w->random, seed, 0);
    if (recommend_scratch_new(&w->scratch, e) != ERR_OK) {
        workspace_free(w);
        return NULL;
    }
    return w;
}

static workspace *workspace_take(api *a, err *e)
{
    pthread_mutex_lock(&a->mutex);
    workspace *w = a->idle;
    if (w != NULL) {
        a->idle = w->next;
    }
    pthread_mutex_unlock(&a->mutex);
    return w != NULL ? w : workspace_new(a, e);
}

/* shrink frees the large memory of a rare request, so that it is not kept for the many small
 * ones. */
static void shrink(arena *a)
{
    if (a->used > KEEP_WORKSPACE_BYTES) {
        arena_fini(a);
        arena_init(a, a->bytes_max);
    } else {
        arena_reset(a);
    }
}

static void workspace_give(api *a, workspace *w)
{
    shrink(&w->memory);
    shrink(&w->record);
    pthread_mutex_lock(&a->mutex);
    w->next = a->idle;
    a->idle = w;
    pthread_mutex_unlock(&a->mutex);
}

/* end_of_filter is called by the request's scratch when the filter's bitmap is ready. */
static void end_of_filter(void *ctx)
{
    context_phase(ctx, API_PHASE_FILTER);
}

void api_route_find(const api *a, slice method, slice target_text, api_route *out)
{
    *out = (api_route){
        .route = "none", .role = API_READ, .body_bytes_max = a->deps.limits.body_bytes_max};
    arena memory;
    arena_init(&memory, API_WORKSPACE_BYTES);
    target t;
    if (target_parse_path(&t, target_text, &memory, NULL) == ERR_OK) {
        slice id;
        const char *allow;
        const route *r = route_match(&t, method, &id, &allow, &out->route);
        if (r != NULL) {
            out->role = r->role;
            out->takes_body = r->body != BODY_NONE;
            out->exists = true;
            out->match = r;
            while (out->id_segment < t.segment_count && t.segments[out->id_segment].at != id.at) {
                out->id_segment++;
            }
        }
    }
    arena_fini(&memory);
}

/* is_json tells whether the media type is JSON. Parameters such as charset=utf-8 may follow. */
static bool is_json(slice type, bool merge_patch)
{
    static const char *const names[] = {"application/json", "application/merge-patch+json"};
    for (size_t i = 0; i < (merge_patch ? 2U : 1U); i++) {
        size_t length = strlen(names[i]);
        if (type.length >= length && strncasecmp(type.at, names[i], length) == 0 &&
            (type.length == length || strchr("; \t", type.at[length]) != NULL)) {
            return true;
        }
    }
    return false;
}

/* admit refuses requests by the route table alone. It returns true if the request may reach its
 * handler. */
static bool admit(context *c)
{
    const api_request *q = c->request;
    route_body body = c->route->body;
    if (body == BODY_NONE || (body == BODY_JSON_OPTIONAL && q->body.length == 0)) {
        return true;
    }
    if (!is_json(q->content_type, body == BODY_MERGE_PATCH)) {
        api_refuse(c->response, 415, q->request_id,
                   body == BODY_MERGE_PATCH
                       ? "expected Content-Type: application/json or application/merge-patch+json"
                       : "expected Content-Type: application/json");
        return false;
    }
    return true;
}

/* find_route finds the route. If there is none, it answers. */
static bool find_route(context *c, err *e)
{
    const char *allow;
    api_response *r = c->response;
    slice method = c->request->method;
    if (target_parse_path(&c->target, c->request->target, c->memory, e) != ERR_OK) {
        return false;
    }
    const api_route *found = c->request->route;
    if (found != NULL && found->exists) {
        c->route = found->match;
        c->id = found->id_segment < c->target.segment_count ? c->target.segments[found->id_segment]
                                                            : (slice){NULL, 0};
        r->route = found->route;
        return admit(c);
    }
    c->route = route_match(&c->target, method, &c->id, &allow, &r->route);
    if (c->route != NULL) {
        return admit(c);
    }
    if (allow == NULL) {
        api_refuse(r, 404, c->request->request_id, "there is no such path");
        return false;
    }
    if (slice_equal(method, slice_of("OPTIONS"))) {
        r->status = 204;
    } else {
        api_refuse(r, 405, c->request->request_id, "this path does not support the method");
    }
    r->allow = allow;
    return false;
}

static void respond_failed(context *c, const err *e)
{
    unsigned wait = c->response->retry_after_seconds;
    if (c->later) {
        return;
    }
    if (c->limited) {
        api_refuse(c->response, 429, c->request->request_id, e->text);
        c->response->retry_after_seconds = wait;
        return;
    }
    problem_respond(c->response, e, &c->problems, c->request->request_id);
}

/* run runs the request. An error becomes the answer. */
static void run(context *c)
{
    err e = ERR_INIT;
    err_code code = ERR_OK;
    c->response->route = "none";
    if (find_route(c, &e)) {
        code = target_parse_query(&c->target, c->request->target, c->memory, &e);
        if (code == ERR_OK) {
            c->response->status = 200;
            c->response->content_type = "application/json";
            code = c->route->reads ? min_seq_request(c, &e) : ERR_OK;
            if (code == ERR_OK) {
                code = c->route->handler(c, &e);
            }
        }
        if (code == ERR_OK && c->write == NULL) {
            code = json_answer_check(&c->response->body, &e);
            context_phase(c, API_PHASE_SERIALISE);
        }
    }
    if (e.code != ERR_OK || code != ERR_OK) {
        err_set(&e, code, "unknown error"); /* does nothing if `e` has a text already */
        write_free(c->write);
        c->write = NULL;
        respond_failed(c, &e);
    }
}

api_outcome api_begin(api *a, const api_request *request, api_response *response, api_write **write)
{
    *write = NULL;
    err e = ERR_INIT;
    workspace *w = workspace_take(a, &e);
    if (w == NULL) {
        response->route = "none";
        problem_respond(response, &e, NULL, request->request_id);
        return API_ANSWERED;
    }
    size_t most = a->deps.limits.body_bytes_max;
    arena_limit(&w->memory, request->short_only
                                ? API_SHORT_WORKSPACE_BYTES
                                : API_WORKSPACE_BYTES + API_WORKSPACE_PER_BODY_BYTE * most);
    context c = {.api = a,
                 .deps = &a->deps,
                 .request = request,
                 .response = response,
                 .spools = &a->spools,
                 .memory = &w->memory,
                 .workspace = w};
    problem_list_init(&c.problems, a->deps.limits.errors_max, c.memory);
    recommend_scratch_on_filtered(w->scratch, end_of_filter, &c);
    c.phase_began = a->deps.clock_ns != NULL ? a->deps.clock_ns() : 0;
    run(&c);
    store_read_end(c.read);
    context_view_end(&c);
    json_decref(c.document);
    recommend_scratch_on_filtered(w->scratch, NULL, NULL);
    workspace_give(a, w);
    *write = c.write;
    if (c.later) {
        const char *template = response->route;
        api_response_reset(response);
        response->route = template;
        return c.wait ? API_WAIT : c.encode ? API_ENCODE : API_LATER;
    }
    return c.write != NULL ? API_SUBMIT : API_ANSWERED;
}

op *api_write_op(const api_write *w)
{
    return w->op;
}

void api_finish(api *a, api_write *w, const apply_result *result, api_response *response)
{
    (void)a;
    write_answer(w, result, response);
    write_free(w);
}

void api_abandon(api *a, api_write *w)
{
    (void)a;
    write_free(w);
}
