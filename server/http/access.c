/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/access.h"

#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/telemetry/log.h"

enum { PHASE_QUEUE = API_PHASES, PHASE_COMMIT, PHASES };

struct access_log {
    int which;
    metric *duration;
    metric *fallback;
    metric_series *phases[PHASES];
    metric_series *bytes_in, *bytes_out, *aborted, *inexact;
};

static const metric_info info_duration = {
    .name = "stair_http_request_duration_seconds",
    .help = "Time from the end of a request's header to the end of its answer.",
    .kind = METRIC_HISTOGRAM,
    .labels = {"route", "method", "status"}};
static const metric_info info_phase = {.name = "stair_http_phase_duration_seconds",
                                       .help = "Time that a request spends in each phase.",
                                       .kind = METRIC_HISTOGRAM,
                                       .labels = {"phase"}};
static const metric_info info_bytes_in = {.name = "stair_http_request_body_bytes_total",
                                          .help = "Bytes of request bodies.",
                                          .kind = METRIC_COUNTER};
static const metric_info info_bytes_out = {.name = "stair_http_response_body_bytes_total",
                                           .help = "Bytes of response bodies.",
                                           .kind = METRIC_COUNTER};
static const metric_info info_aborted = {
    .name = "stair_http_aborted_requests_total",
    .help = "Requests whose client disconnected before the answer.",
    .kind = METRIC_COUNTER};
static const metric_info info_fallback = {
    .name = "stair_recommend_answers_total",
    .help = "Answered lists, by the reason of the fallback; each entry of a batch counts as one.",
    .kind = METRIC_COUNTER,
    .labels = {"fallback"}};
static const metric_info info_inexact = {.name = "stair_recommend_inexact_total",
                                         .help =
                                             "Answered lists that come from an approximate search.",
                                         .kind = METRIC_COUNTER};

static const char *const phase_names[PHASES] = {
    [API_PHASE_PARSE] = "parse",         [API_PHASE_LOOKUP] = "lookup",
    [API_PHASE_FILTER] = "filter",       [API_PHASE_SEARCH] = "search",
    [API_PHASE_SERIALISE] = "serialise", [PHASE_QUEUE] = "queue",
    [PHASE_COMMIT] = "commit",
};

err_code access_new(access_log **out, metrics *m, int which, err *e)
{
    *out = NULL;
    access_log *a = mem_array(1, sizeof *a);
    if (a == NULL) {
        return err_nomem(e, "the access log");
    }
    a->which = which;
    metric *phase = NULL;
    err_code code = metrics_add(m, &info_duration, &a->duration, e);
    if (code == ERR_OK) {
        code = metrics_add(m, &info_phase, &phase, e);
    }
    for (int i = 0; code == ERR_OK && i < PHASES; i++) {
        a->phases[i] = metric_at(phase, phase_names[i], NULL, NULL);
    }
    if (code == ERR_OK) {
        code = metrics_add(m, &info_fallback, &a->fallback, e);
    }
    const metric_plain singles[] = {{&info_bytes_in, &a->bytes_in},
                                    {&info_bytes_out, &a->bytes_out},
                                    {&info_aborted, &a->aborted},
                                    {&info_inexact, &a->inexact}};
    if (code == ERR_OK) {
        code = metrics_add_plain(m, singles, sizeof singles / sizeof singles[0], e);
    }
    if (code != ERR_OK) {
        mem_free(a);
        return code;
    }
    *out = a;
    return ERR_OK;
}

void access_free(access_log *a)
{
    mem_free(a);
}

/* method_label returns a known method, or one word for all others: clients can send any. */
static const char *method_label(const char *method)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(method, known[i]) == 0) {
            return known[i];
        }
    }
    return "other";
}

static void observe_phases(access_log *a, const access_entry *entry)
{
    for (int i = 0; i < API_PHASES; i++) {
        if (entry->response->phase_ns[i] > 0) {
            metric_observe(a->phases[i], 1e-9 * (double)entry->response->phase_ns[i]);
        }
    }
    if (entry->commit_ns > 0) {
        metric_observe(a->phases[PHASE_QUEUE], 1e-9 * (double)entry->queue_ns);
        metric_observe(a->phases[PHASE_COMMIT], 1e-9 * (double)entry->commit_ns);
    }
}

static void write_line(const access_entry *entry, uint64_t bytes)
{
    const api_response *r = entry->response;
    log_level level = r->status >= 500 ? LOG_ERROR : LOG_INFO;
    double ms = 1e-6 * (double)(entry->ended_ns - entry->begun_ns);
    const log_field fields[] = {
        log_text("method", method_label(entry->method)),
        log_text("route", r->route),
        log_int("status", r->status),
        log_real("ms", ms),
        log_int("bytes", bytes),
        log_text("request_id", entry->request_id),
        log_text("client", entry->client),
        log_text("key", entry->key),
        /* the reason for the refusal, or the code of the error */
        log_text("code", entry->reason != NULL ? entry->reason : err_code_name(r->code)),
        log_text("cause", r->status >= 500 ? r->cause : NULL),
    };
    enum { ALL = sizeof fields / sizeof fields[0], WELL = ALL - 2 };
    log_write(level, "request", fields, r->status >= 400 ? ALL : WELL);
}

static void count_lists(access_log *a, const api_response *r)
{
    for (int i = 0; i < RECOMMEND_FALLBACKS; i++) {
        const char *reason = recommend_fallback_name((recommend_fallback)i);
        if (r->lists[i] > 0) {
            metric_count(metric_at(a->fallback, reason != NULL ? reason : "none", NULL, NULL),
                         r->lists[i]);
        }
    }
    metric_count(a->inexact, r->lists_inexact);
}

void access_record(access_log *a, const access_entry *entry)
{
    const api_response *r = entry->response;
    uint64_t bytes = r->file_bytes > 0 ? r->file_bytes : r->body.length;
    char status[8];
    status[0] = (char)('0' + r->status / 100 % 10);
    status[1] = (char)('0' + r->status / 10 % 10);
    status[2] = (char)('0' + r->status % 10);
    status[3] = '\0';
    metric_observe(metric_at(a->duration, r->route, method_label(entry->method), status),
                   1e-9 * (double)(entry->ended_ns - entry->begun_ns));
    observe_phases(a, entry);
    metric_count(a->bytes_in, entry->body_bytes);
    metric_count(a->bytes_out, bytes);
    if (r->status < 400) {
        count_lists(a, r);
    }
    if (a->which == ACCESS_ALL || (a->which == ACCESS_ERRORS && r->status >= 400)) {
        write_line(entry, bytes);
    }
}

void access_aborted(access_log *a)
{
    metric_count(a->aborted, 1);
}
