/* SPDX-License-Identifier: Apache-2.0 */
/* health: GET /health, /health/live, /health/ready and /metrics. */
#include "api/handlers.h"

err_code handle_health_live_get(context *c, err *e)
{
    (void)e;
    buffer_put_text(&c->response->body, "{\"status\":\"live\"}");
    return ERR_OK;
}

err_code handle_health_ready_get(context *c, err *e)
{
    api_health h = {0};
    c->deps->health(c->deps->ctx, &h);
    if (!h.ready || h.stopping) {
        return err_set(e, ERR_UNAVAILABLE, h.stopping ? "stopping" : "not ready yet");
    }
    buffer *b = &c->response->body;
    context_view(c);
    buffer_put_text(b, "{\"status\":\"ready\"");
    context_model_seq(c);
    buffer_put(b, "}", 1);
    return ERR_OK;
}

static void put_number(buffer *b, const char *key, uint64_t value)
{
    json_put_key(b, key);
    json_put_unsigned(b, value);
}

static void put_encoder(buffer *b, const api_health *h)
{
    json_put_key(b, "encoder");
    if (!h->encoder) {
        buffer_put(b, "null", 4);
        return;
    }
    buffer_put(b, "{", 1);
    put_number(b, "pending", h->encoder_pending);
    put_number(b, "refused", h->encoder_refused);
    put_number(b, "failures", h->encoder_failures);
    json_put_key(b, "problem");
    if (h->encoder_problem[0] != '\0') {
        json_put_text(b, h->encoder_problem);
    } else {
        buffer_put(b, "null", 4);
    }
    buffer_put(b, "}", 1);
}

static void put_generation(buffer *b, const char *key, uint32_t generation)
{
    json_put_key(b, key);
    if (generation == 0) {
        buffer_put(b, "null", 4);
    } else {
        json_put_unsigned(b, generation);
    }
}

err_code handle_health_get(context *c, err *e)
{
    (void)e;
    api_health h = {0};
    view_stats s;
    c->deps->health(c->deps->ctx, &h);
    context_view(c);
    view_stats_get(c->view, &s);
    buffer *b = &c->response->body;
    buffer_put_text(b, "{\"status\":");
    json_put_text(b, h.stopping                           ? "stopping"
                     : !h.ready                           ? "starting"
                     : h.writable && h.problem[0] == '\0' ? "ok"
                                                          : "degraded");
    json_put_key(b, "version");
    json_put_text(b, c->deps->version != NULL ? c->deps->version : "");
    json_put_key(b, "ready");
    json_put_bool(b, h.ready && !h.stopping);
    json_put_key(b, "writable");
    json_put_bool(b, h.writable);
    json_put_key(b, "problem");
    if (h.problem[0] != '\0') {
        json_put_text(b, h.problem);
    } else {
        buffer_put(b, "null", 4);
    }
    context_model_seq(c);
    put_generation(b, "active", h.active);
    put_generation(b, "serving", s.generation);
    put_number(b, "items", s.items);
    put_number(b, "users", s.users);
    put_number(b, "interactions", s.interactions);
    put_number(b, "queue_depth", h.queue_depth);
    put_number(b, "uptime_seconds", h.uptime_seconds);
    put_number(b, "store_bytes", h.store_bytes);
    put_number(b, "quota_bytes", h.quota_bytes);
    put_number(b, "held_bytes", h.held_bytes);
    json_put_key(b, "held_by");
    if (h.held_by[0] != '\0') {
        json_put_text(b, h.held_by);
    } else {
        buffer_put(b, "null", 4);
    }
    json_put_key(b, "propagation_lag_seconds");
    json_put_double(b, h.propagation_lag_seconds);
    put_encoder(b, &h);
    buffer_put(b, "}", 1);
    return ERR_OK;
}

err_code handle_metrics_get(context *c, err *e)
{
    query_end(c);
    err_code code = context_check(c, e);
    if (code != ERR_OK) {
        return code;
    }
    if (c->deps->metrics == NULL) {
        return err_set(e, ERR_UNAVAILABLE, "this process has no metrics");
    }
    c->response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    c->deps->metrics(c->deps->ctx, &c->response->body);
    return ERR_OK;
}
