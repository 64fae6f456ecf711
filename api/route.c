/* SPDX-License-Identifier: Apache-2.0 */
#include "api/route.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"

static const route routes[] = {
    {"GET", "/recommend", API_READ, BODY_NONE, handle_recommend_get, true},
    {"POST", "/recommend", API_READ, BODY_JSON, handle_recommend_post, true},
    {"POST", "/recommend/batch", API_READ, BODY_JSON, handle_recommend_batch_post, true},
    {"GET", "/similar", API_READ, BODY_NONE, handle_similar_get, true},
    {"GET", "/popular", API_READ, BODY_NONE, handle_popular_get, true},
    {"GET", "/latest", API_READ, BODY_NONE, handle_latest_get, true},
    {"GET", "/items", API_READ, BODY_NONE, handle_items_get, true},
    {"POST", "/items", API_WRITE, BODY_JSON, handle_items_post, false},
    {"PUT", "/items", API_WRITE, BODY_JSON, handle_items_put, false},
    {"PATCH", "/items", API_WRITE, BODY_MERGE_PATCH, handle_items_patch, false},
    {"POST", "/items/delete", API_WRITE, BODY_JSON, handle_items_delete_post, false},
    {"GET", "/items/{id}", API_READ, BODY_NONE, handle_item_id_get, true},
    {"PUT", "/items/{id}", API_WRITE, BODY_JSON, handle_item_id_put, false},
    {"PATCH", "/items/{id}", API_WRITE, BODY_MERGE_PATCH, handle_item_id_patch, false},
    {"DELETE", "/items/{id}", API_WRITE, BODY_NONE, handle_item_id_delete, false},
    {"POST", "/interactions", API_WRITE, BODY_JSON, handle_interactions_post, false},
    {"DELETE", "/interactions", API_WRITE, BODY_NONE, handle_interactions_delete, false},
    {"GET", "/users", API_READ, BODY_NONE, handle_users_get, true},
    {"GET", "/users/{id}", API_READ, BODY_NONE, handle_user_get, true},
    {"DELETE", "/users/{id}", API_WRITE, BODY_NONE, handle_user_delete, false},
    {"GET", "/users/{id}/interactions", API_READ, BODY_NONE, handle_user_interactions_get, true},
    {"GET", "/model", API_READ, BODY_NONE, handle_model_get, true},
    {"GET", "/model/generations", API_READ, BODY_NONE, handle_model_generations_get, true},
    {"GET", "/model/train", API_READ, BODY_NONE, handle_model_train_get, false},
    {"POST", "/model/train", API_ADMIN, BODY_JSON_OPTIONAL, handle_model_train_post, false},
    {"DELETE", "/model/train", API_ADMIN, BODY_NONE, handle_model_train_delete, false},
    {"POST", "/model/activate", API_ADMIN, BODY_JSON, handle_model_activate_post, false},
    {"POST", "/model/prune", API_ADMIN, BODY_JSON, handle_model_prune_post, false},
    {"POST", "/snapshot", API_ADMIN, BODY_JSON, handle_snapshot_post, false},
    {"GET", "/snapshot/{name}", API_ADMIN, BODY_NONE, handle_snapshot_name_get, false},
    {"GET", "/export/items", API_ADMIN, BODY_NONE, handle_export_items_get, true},
    {"GET", "/export/interactions", API_ADMIN, BODY_NONE, handle_export_interactions_get, true},
    {"GET", "/health", API_OPEN, BODY_NONE, handle_health_get, false},
    {"GET", "/health/live", API_OPEN, BODY_NONE, handle_health_live_get, false},
    {"GET", "/health/ready", API_OPEN, BODY_NONE, handle_health_ready_get, false},
    {"GET", "/cluster", API_READ, BODY_NONE, handle_cluster_get, false},
    {"GET", "/metrics", API_READ, BODY_NONE, handle_metrics_get, false},
    {"GET", "/openapi.yaml", API_OPEN, BODY_NONE, handle_openapi_get, false},
    {"GET", "/", API_OPEN, BODY_NONE, handle_root_get, false},
    {"GET", "/console", API_OPEN, BODY_NONE, handle_console_get, false},
};
enum { ROUTES = sizeof routes / sizeof routes[0] };

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
enum { METHODS = sizeof methods / sizeof methods[0] };

/* The Allow header of every set of methods, indexed by the set's bits, so that answers can borrow
 * it. */
enum { SETS = 1 << METHODS, ALLOW_BYTES = 64 };
static char allows[SETS][ALLOW_BYTES];
static pthread_once_t allows_made = PTHREAD_ONCE_INIT;

static void make_allows(void)
{
    for (unsigned bits = 0; bits < SETS; bits++) {
        size_t length = 0;
        for (unsigned i = 0; i < METHODS; i++) {
            if ((bits >> i & 1) != 0) {
                length += (size_t)snprintf(allows[bits] + length, ALLOW_BYTES - length, "%s, ",
                                           methods[i]);
            }
        }
        (void)snprintf(allows[bits] + length, ALLOW_BYTES - length, "OPTIONS");
    }
}

static unsigned method_bits(const char *method)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < METHODS; i++) {
        if (strcmp(methods[i], method) == 0) {
            bits |= 1U << i;
        }
    }
    return bits & 1U ? bits | 2U : bits;
}

static bool path_matches(const char *path, const target *t, slice *id)
{
    const char *at = path + 1;
    *id = (slice){NULL, 0};
    for (size_t i = 0; i < t->segment_count; i++) {
        size_t length = strcspn(at, "/");
        slice segment = t->segments[i];
        if (at[0] == '{') {
            *id = segment;
            if (segment.length == 0) {
                return false;
            }
        } else if (!slice_equal(segment, (slice){at, length})) {
            return false;
        }
        at += length;
        if (*at == '\0') {
            return i + 1 == t->segment_count;
        }
        at++;
    }
    return false;
}

const route *route_match(const target *t, slice method, slice *id, const char **allow,
                         const char **path)
{
    *allow = NULL;
    *path = "none";
    *id = (slice){NULL, 0};
    if (t->segment_count > TARGET_SEGMENTS_MAX) {
        return NULL;
    }
    bool head = slice_equal(method, slice_of("HEAD"));
    unsigned bits = 0;
    for (size_t i = 0; i < ROUTES; i++) {
        slice segment;
        if (!path_matches(routes[i].path, t, &segment)) {
            continue;
        }
        bits |= method_bits(routes[i].method);
        *path = routes[i].path;
        if (slice_equal(method, slice_of(routes[i].method)) ||
            (head && strcmp(routes[i].method, "GET") == 0)) {
            *id = segment;
            return &routes[i];
        }
    }
    if (bits != 0) {
        (void)pthread_once(&allows_made, make_allows);
        *allow = allows[bits];
    }
    return NULL;
}

bool api_route_at(size_t i, api_route_entry *out)
{
    if (i >= ROUTES) {
        return false;
    }
    *out = (api_route_entry){routes[i].method, routes[i].path, routes[i].role};
    return true;
}

const char *api_role_name(api_role role)
{
    static const char *const names[] = {"open", "read", "write", "admin"};
    return (unsigned)role < 4 ? names[role] : "unknown";
}
