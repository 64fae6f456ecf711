/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot: POST /snapshot and GET /snapshot/{name}. */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/web/body.h"
#include "api/web/store_answer.h"

enum { NAME_BYTES_MAX = 128 };

/* name_fault returns what is wrong with a name, or NULL. A name is one path component, never "." or
 * "..". */
static const char *name_fault(slice name)
{
    bool dots = name.length > 0 && name.length <= 2;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        bool allowed = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
        if (!allowed) {
            return "expected only characters of [A-Za-z0-9._-]";
        }
        dots = dots && c == '.';
    }
    return dots ? "expected another name than . or .." : NULL;
}

static err_code no_snapshots(err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "snapshots are off: snapshot_dir is not configured");
}

static err_code answer_snapshot(context *c, slice name, err *e)
{
    static const char *const states[] = {"running", "running", "done", "failed"};
    api_snapshot s = {.state = API_SNAPSHOT_RUNNING};
    err_code code = c->deps->snapshot_status(c->deps->ctx, name, &s, e);
    if (code != ERR_OK) {
        return code;
    }
    bool done = s.state == API_SNAPSHOT_DONE;
    json_t *detail = s.state == API_SNAPSHOT_FAILED
                         ? json_string("the copy failed; the service's log says why")
                         : json_null();
    return answer_tree(
        c,
        json_pack("{s:o,s:s,s:o,s:o,s:o,s:o,s:o}", "name", tree_text(name), "state",
                  (unsigned)s.state < 4 ? states[s.state] : "failed", "started",
                  s.started != 0 ? tree_time(s.started) : json_null(), "ended",
                  s.ended != 0 ? tree_time(s.ended) : json_null(), "bytes",
                  done ? json_integer((json_int_t)s.bytes) : json_null(), "seq",
                  done && !s.seq_unknown ? json_integer((json_int_t)s.seq) : json_null(), "detail",
                  detail),
        e);
}

err_code handle_snapshot_post(context *c, err *e)
{
    static const char *const names[] = {"name", NULL};
    body_object o;
    slice name = {NULL, 0};
    query_end(c);
    err_code code = body_parse(c, &o, e);
    if (code != ERR_OK) {
        return code;
    }
    body_known(&o, names);
    size_t before = c->problems.found;
    bool given = body_text(&o, "name", NAME_BYTES_MAX, &name);
    if (!given && c->problems.found == before) {
        problem_at(&c->problems, "/name", "missing");
    }
    if (given && name_fault(name) != NULL) {
        problem_at(&c->problems, "/name", "%s", name_fault(name));
    }
    code = context_check(c, e);
    if (code == ERR_OK && (c->deps->snapshot_start == NULL || c->deps->snapshot_status == NULL)) {
        code = no_snapshots(e);
    }
    if (code == ERR_OK) {
        code = c->deps->snapshot_start(c->deps->ctx, name, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    c->response->status = 202;
    snprintf(c->response->location, sizeof c->response->location, "/snapshot/%.*s",
             (int)name.length, name.at);
    return answer_snapshot(c, name, e);
}

err_code handle_snapshot_name_get(context *c, err *e)
{
    query_end(c);
    if (c->id.length > NAME_BYTES_MAX || name_fault(c->id) != NULL) {
        problem_parameter(&c->problems, slice_of("name"), "expected 1 to %d of [A-Za-z0-9._-]",
                          NAME_BYTES_MAX);
    }
    err_code code = context_check(c, e);
    if (code == ERR_OK && c->deps->snapshot_status == NULL) {
        code = no_snapshots(e);
    }
    return code == ERR_OK ? answer_snapshot(c, c->id, e) : code;
}
