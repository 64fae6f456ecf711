/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context: everything that a handler uses during one request.
 *
 * A handler reads parameters and body through it, collects faults (context_check refuses the
 * request and reports all of them), takes the view once, and writes its answer. Internal to api/.
 *
 * Lifetime: one request, one thread. The arena and the scratch come from the api's pool.
 */
#ifndef API_CONTEXT_H
#define API_CONTEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "api/route.h"
#include "api/web/problem.h"
#include "api/web/target.h"
#include "core/common/arena.h"
#include "core/common/rng.h"

/* More parameters than any call has. */
enum { QUERY_NAMES_MAX = 24 };

/* What a request needs and the next one reuses. */
typedef struct workspace {
    arena memory;
    /* for one stored record: reset before the next one is read, so that a long answer holds at most
     * its largest item in memory */
    arena record;
    recommend_scratch *scratch;
    rng random; /* for recommendation ids, which are unique but not secret */
    struct workspace *next;
} workspace;

typedef struct context {
    api *api;
    const api_deps *deps; /* with the limits filled in */
    const api_request *request;
    api_response *response;
    const route *route;
    target target;
    slice id; /* the id in the path, decoded; absent if the route has none */
    arena *memory;
    workspace *workspace;
    problem_list problems;
    /* NULL-terminated names of the parameters that the call knows */
    const char *asked[QUERY_NAMES_MAX + 1];
    /* a read of the same write as the view, for lists that show what only the store has */
    store_read *read;
    const view *view; /* NULL before context_view */
    live_hold hold;
    spools *spools;   /* the limits on exports */
    api_write *write; /* set by a handler that prepares a write */
    json_t *document; /* the body, after body_parse; released with the request */
    uint64_t phase_began;
    bool later;   /* postponed: api/web/cost.h */
    bool wait;    /* postponed until a write is seen: api/web/min_seq.h */
    bool encode;  /* postponed until a text is encoded: api/resources/encoded_text.h */
    bool limited; /* refused because of the rate of work */
} context;

/* context_view takes the current view for the rest of the request. Later calls have no effect. */
void context_view(context *c);

/* context_read begins a store read and takes the view of the same write, replacing one that was
 * taken before. Call it before computing anything from the view. The caller ends the read. */
err_code context_read(context *c, store_read **out, err *e) ERR_CHECKED;

/* context_view_end releases the view before the request ends. */
void context_view_end(context *c);

/* context_phase ends a phase of the request's time. */
void context_phase(context *c, api_phase phase);

/* context_check returns ERR_INVALID if any problem was reported. */
err_code context_check(context *c, err *e) ERR_CHECKED;

/* context_model_seq writes the members "model" and "seq" of the view. */
void context_model_seq(context *c);

/* context_list_state writes these and the member "view", {"model","seq"}, which tells from which
 * state the tables behind a list were made. Two lists are of one state if all three are equal. */
void context_list_state(context *c);

/* context_id_check tells whether an id has 1 to 256 bytes. Otherwise it reports a problem of the
 * parameter. */
bool context_id_check(context *c, slice name, slice id);

/* --- parameters of the query string; each getter may be used once per name ---------------------
 * All return false, and leave *out, if the parameter is absent or wrong (which is reported).
 * query_end reports parameters that the handler did not read, with the names of those that were. */
bool query_text(context *c, const char *name, slice *out);
bool query_id(context *c, const char *name, slice *out);
bool query_unsigned(context *c, const char *name, uint64_t least, uint64_t most, uint64_t *out);
bool query_number(context *c, const char *name, double least, double most, double *out);
bool query_bool(context *c, const char *name, bool *out);

/* query_all returns all values of a repeatable parameter, (count), each with 1 to bytes_max
 * bytes. */
void query_all(context *c, const char *name, size_t bytes_max, const slice **out, size_t *count);

/* query_words reads a comma-separated parameter as bits of the NULL-terminated `words`. */
bool query_words(context *c, const char *name, const char *const *words, unsigned *out);

void query_end(context *c);

#endif
