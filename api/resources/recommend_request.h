/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recommend_request: the parameters of /recommend, read from a query string or from a body.
 *
 * Both forms fill the same struct, so there is one way to answer them. Strings are borrowed from
 * the request.
 */
#ifndef API_RECOMMEND_REQUEST_H
#define API_RECOMMEND_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "api/web/body.h"
#include "api/web/context.h"
#include "core/serve/filter/filter.h"

/* Members of the items in an answer, in addition to id and score. */
enum { FIELD_TITLE = 1, FIELD_CATEGORIES = 2, FIELD_ATTRIBUTES = 4, FIELD_DESCRIPTION = 8 };

typedef struct recommend_request {
    slice user;                   /* id; absent if the request names no user */
    slice text;                   /* words that describe what is wanted; absent if none */
    const slice *session;         /* (session_count) ids */
    const float *session_weights; /* (session_count) one for each id */
    size_t session_count;
    size_t k, offset;
    const slice *exclude; /* (exclude_count) ids */
    size_t exclude_count;
    filter filter; /* all zero if there is none */
    /* in a batch: the first request with an equal filter; otherwise NULL */
    const filter *same_filter;
    bool include_seen, explain, exact, strict;
    double balance, diversity;
    unsigned fields; /* FIELD_* */
} recommend_request;

/* recommend_request_query reads the parameters of GET /recommend. */
err_code recommend_request_query(context *c, recommend_request *out, err *e) ERR_CHECKED;

/* recommend_request_body reads one request object and reports its problems. ERR_TOO_LARGE: a list
 * is over its limit. */
err_code recommend_request_body(const body_object *o, recommend_request *out, err *e) ERR_CHECKED;

/* filter_body reads a filter object and reports its problems. */
void filter_body(const body_object *o, filter *out);

/* fields_query reads `fields=`. lists_query reads the parameters that all lists share: k, offset,
 * category, exclude. */
void fields_query(context *c, unsigned *out);
err_code lists_query(context *c, recommend_request *out, err *e) ERR_CHECKED;

#endif
