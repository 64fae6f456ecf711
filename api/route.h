/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route: the table of methods, paths, roles and handlers.
 *
 * `make lint-openapi` compares it with openapi.yaml.
 */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/api.h"
#include "api/web/target.h"

struct context;
typedef err_code (*route_handler)(struct context *c, err *e);

typedef enum route_body {
    BODY_NONE = 0,
    BODY_JSON,
    BODY_JSON_OPTIONAL,
    BODY_MERGE_PATCH, /* JSON, also as application/merge-patch+json */
} route_body;

typedef struct route {
    const char *method;
    const char *path; /* template: literal segments and at most one {name} */
    api_role role;
    route_body body;
    route_handler handler;
    bool reads; /* it reads content, so it takes min_seq */
} route;

/* route_match finds the route of a path and method; HEAD matches GET. If it returns NULL, *allow
 * lists the methods of the path, or is NULL if the path does not exist. `id` is the segment at the
 * place of {name}. */
const route *route_match(const target *t, slice method, slice *id, const char **allow,
                         const char **path);

#endif
