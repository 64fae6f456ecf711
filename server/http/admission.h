/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admission: accepts or refuses a request by its request line and headers, before its body is read.
 *
 * It checks, in this order:
 *   1. the framing;
 *   2. the Host: otherwise a web page that points its own name at 127.0.0.1 could call a server on
 *      loopback without keys;
 *   3. without keys, the Origin of a calling web page;
 *   4. the key and its role;
 *   5. the rate;
 *   6. that the announced body is not compressed and within its limit.
 *
 * It does not use sockets, so tests call it directly.
 *
 * Threading: any thread may call admission_check; it takes no lock.
 */
#ifndef SERVER_ADMISSION_H
#define SERVER_ADMISSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "core/common/budget.h"
#include "core/common/slice.h"
#include "server/http/keys.h"

enum {
    ADMISSION_TARGET_BYTES_MAX = 8192,
    ADMISSION_HEADER_BYTES_MAX = 16384,
    ADMISSION_HEADER_LINES_MAX = 100,
    ADMISSION_REQUEST_ID_MAX = 64,
};

/* What the HTTP loop collected from the header. Borrowed. */
typedef struct admission_request {
    slice method, target;
    slice host;          /* absent if there is no such header */
    slice authorization; /* absent if there is no such header, as the next ones */
    slice api_key;
    slice transfer_encoding;
    slice origin, fetch_site; /* Origin, Sec-Fetch-Site */
    slice content_encoding;
    slice content_length;
    unsigned content_lengths; /* how many Content-Length headers came */
    unsigned hosts;
    unsigned transfer_encodings;
    bool other_version; /* the request line ends with another version than HTTP/1.1 or 1.0 */
    bool malformed_name, malformed_line;
    /* the header that came twice with different values, as a fault to report; NULL if none did */
    const char *repeated;
    size_t header_bytes; /* sum of all names and values */
    size_t header_lines;
    bool admin; /* the request came through admin_listen */
    bool http_1_0;
} admission_request;

typedef struct admission_options {
    const keys *keys;          /* NULL if no keys are required */
    bool check_host;           /* accept only loopback names and `allow_hosts` */
    bool admin_loopback;       /* the same for admin_listen, if that is on loopback */
    const char *allow_hosts;   /* names separated by commas; NULL if none */
    const char *allow_origin;  /* origin whose pages may call; NULL if none */
    double rate_per_second;    /* 0: no limit */
    double rate_burst;         /* requests that may come at once; >= 1 */
    double work_per_second;    /* units of work (api/web/cost.h) per second; 0: no limit */
    uint64_t bodies_bytes_max; /* limit of all bodies in flight */
} admission_options;

typedef struct admission {
    admission_options options;   /* immutable */
    atomic_int_fast64_t next_ns; /* rate: when the next request is due */
    atomic_int_fast64_t work_ns; /* rate of work: when all charged work is done */
    budget bodies;               /* bytes in flight, by client */
} admission;

typedef struct admission_answer {
    unsigned status;    /* 0 accepts the request; otherwise it is refused with this status */
    const char *detail; /* text for people; static or in `text` */
    const char *reason; /* a word for the log, static */
    const char *key;    /* name of the request's key; NULL if it has none or an unknown one */
    char text[192];
    unsigned retry_after_seconds;
    bool has_body; /* the request announces a body, whether its route takes one or not */
    bool chunked;
    uint64_t body_bytes; /* announced length of the body; 0 if chunked */
} admission_answer;

void admission_init(admission *a, const admission_options *options);

/* admission_check decides. `route` is from api_route_find; `now_ns` is a steady clock. */
void admission_check(admission *a, const admission_request *request, const api_route *route,
                     uint64_t now_ns, admission_answer *answer);

/* admission_work charges units of work. It returns 0, or the seconds to wait before another try. A
 * request is accepted if the work charged before will be done within a second, whatever its own
 * size; later requests wait for it. */
unsigned admission_work(admission *a, double units, uint64_t now_ns);

/* admission_request_id copies the client's X-Request-Id if it is 1 to 64 of A-Z a-z 0-9 . _ -, and
 * otherwise makes one. */
void admission_request_id(slice given, char out[ADMISSION_REQUEST_ID_MAX + 1]);

#endif
