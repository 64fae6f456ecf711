/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access: counts and logs every request.
 *
 * A request is recorded just before its answer is sent, so whoever has received the answer finds it
 * counted. Labels and log lines contain the route's template, never the target: user ids are
 * personal data, and each would create a metric series of its own. Thread-safe.
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "core/common/err.h"
#include "server/telemetry/metrics.h"

typedef struct access_log access_log;

enum { ACCESS_ALL = 0, ACCESS_ERRORS, ACCESS_NONE };

typedef struct access_entry {
    const char *method; /* the request's method */
    const char *request_id;
    const char *client; /* address of the client; NULL if not known */
    const char *key;    /* name of the API key; NULL if none was used */
    const char *reason; /* why it was refused before it began; NULL if it was not */
    const api_response *response;
    uint64_t begun_ns, ended_ns;
    uint64_t queue_ns, commit_ns; /* times of a write; 0 if it was none */
    uint64_t body_bytes;
} access_entry;

err_code access_new(access_log **out, metrics *m, int which, err *e) ERR_CHECKED;
void access_free(access_log *a);

void access_record(access_log *a, const access_entry *entry);

/* access_aborted counts a request whose client left before the answer. */
void access_aborted(access_log *a);

#endif
