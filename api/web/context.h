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

/* More than any call has parameters. */
enum { QUERY_NAMES_MAX = 24 };

/* What a request needs and the next one uses again. */
typedef struct workspace {
    arena memory;
    arena record; /* of one stored record: reset before the next one is read, so that a long
                     answer holds no more memory than its largest item */
    recommend_scratch *scratch;
    rng random; /* for ids of recommendations: unique, not secret */
    struct workspace *next;
} workspace;

typedef struct context {
    api *api;
    const api_deps *deps; /* limits filled in */
    const api_request *request;
    api_response *response;
    const route *route;
    target target;
    slice id; /* of the path, decoded; absent if the route has none */
    arena *memory;
    workspace *workspace;
    problem_list problems;
    const char *asked[QUERY_NAMES_MAX + 1]; /* parameters that the call knows: NULL-terminated */
    store_read *read; /* of the view's write, where lists show what only the store holds */
    const view *view; /* after context_view */
    live_hold hold;
    spools *spools;   /* of exports */
    api_write *write; /* what the handler prepared, if it did */
    json_t *document; /* the body, after body_parse; released with the request */
    uint64_t phase_began;
    bool later;   /* put off: api/web/cost.h */
    bool wait;    /* put off until a write is seen: api/web/min_seq.h */
    bool encode;  /* put off until a text is encoded: api/resources/encoded_text.h */
    bool limited; /* refused because of the rate of work */
} context;

/* context_view takes the current view for the rest of the request; later calls change nothing. */
void context_view(context *c);

/* context_read begins a read of the store and takes the view of the same write, in place of one
 * that was taken before: call it before anything is computed from the view. The caller ends the
 * read. */
err_code context_read(context *c, store_read **out, err *e) ERR_CHECKED;

/* context_view_end gives it back before the request ends. */
void context_view_end(context *c);

/* context_phase closes a phase of the request's time. */
void context_phase(context *c, api_phase phase);

/* context_check is ERR_INVALID if any problem was reported. */
err_code context_check(context *c, err *e) ERR_CHECKED;

/* context_model_seq writes the members "model" and "seq" of the view. */
void context_model_seq(context *c);

/* context_list_state writes these and the member "view", which says of what the tables behind a
 * list were made: {"model","seq"}. Two lists fit together if all three are equal. */
void context_list_state(context *c);

/* context_id_check tells whether an id has 1..256 bytes; reports a parameter's problem if not. */
bool context_id_check(context *c, slice name, slice id);

/* --- parameters of the query string; each getter may be used once per name ---------------------
 * All return false, and leave *out, if the parameter is absent or wrong (which is reported).
 * query_end reports parameters that the handler did not read, with the names of those that were. */
bool query_text(context *c, const char *name, slice *out);
bool query_id(context *c, const char *name, slice *out);
bool query_unsigned(context *c, const char *name, uint64_t least, uint64_t most, uint64_t *out);
bool query_number(context *c, const char *name, double least, double most, double *out);
bool query_bool(context *c, const char *name, bool *out);

/* query_all gives all values of a repeatable parameter, (count), each 1..bytes_max bytes long. */
void query_all(context *c, const char *name, size_t bytes_max, const slice **out, size_t *count);

/* query_words reads a comma-separated parameter as bits of the NULL-terminated `words`. */
bool query_words(context *c, const char *name, const char *const *words, unsigned *out);

void query_end(context *c);

#endif
