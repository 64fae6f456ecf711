/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admission: decides about a request from its request line and headers, before its body is read.
 *
 * It checks, in this order: the framing; the Host (else a web page that points its own name at
 * 127.0.0.1 could call a server on loopback without keys); the Origin of a calling web page, where
 * there are no keys; the key and its role; the rate; and whether the announced body is plain and
 * within its limit. It knows nothing of sockets, so tests call it directly.
 *
 * Threading: admission_check from any thread; it takes no lock.
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

/* What the loop collected of the header. Borrowed. */
typedef struct admission_request {
    slice method, target;
    slice host;          /* absent: no such header */
    slice authorization; /* likewise */
    slice api_key;
    slice transfer_encoding;
    slice origin, fetch_site; /* Origin, Sec-Fetch-Site */
    slice content_encoding;
    slice content_length;
    unsigned content_lengths; /* how many such headers */
    unsigned hosts;
    unsigned transfer_encodings;
    bool other_version; /* the request line ends with neither HTTP/1.1 nor 1.0 */
    bool malformed_name, malformed_line;
    const char *repeated; /* what is wrong: a header came twice with two values; NULL: none did */
    size_t header_bytes;  /* all names and values */
    size_t header_lines;
    bool admin; /* came in by --admin-listen */
    bool http_1_0;
} admission_request;

typedef struct admission_options {
    const keys *keys;          /* NULL: none are asked for */
    bool check_host;           /* accept loopback names and `allow_hosts` only */
    bool admin_loopback;       /* admin_listen is on loopback: likewise there */
    const char *allow_hosts;   /* names with commas between them; NULL: none */
    const char *allow_origin;  /* origin whose pages may call; NULL: none */
    double rate_per_second;    /* 0: no limit */
    double rate_burst;         /* requests that may come at once; >= 1 */
    double work_per_second;    /* units of api/web/cost.h; 0: no limit */
    uint64_t bodies_bytes_max; /* all bodies in flight */
} admission_options;

typedef struct admission {
    admission_options options;   /* immutable */
    atomic_int_fast64_t next_ns; /* rate: when the next request would be due */
    atomic_int_fast64_t work_ns; /* rate of work: when all that was charged is worked off */
    budget bodies;               /* bytes in flight, by caller */
} admission;

typedef struct admission_answer {
    unsigned status;    /* 0: go on; else refuse with it */
    const char *detail; /* for people; static or in `text` */
    const char *reason; /* one word for the log, static */
    const char *key;    /* name of the key that came with it; NULL: none that is ours */
    char text[192];
    unsigned retry_after_seconds;
    bool has_body; /* the request announces one, wanted or not */
    bool chunked;
    uint64_t body_bytes; /* announced; 0 if chunked */
} admission_answer;

void admission_init(admission *a, const admission_options *options);

/* admission_check decides. `route` is from api_route_find; `now_ns` a steady clock. */
void admission_check(admission *a, const admission_request *request, const api_route *route,
                     uint64_t now_ns, admission_answer *answer);

/* admission_work charges units of work: 0, or the seconds to wait before another try. A request is
 * taken as long as what was charged before is worked off within a second, whatever its own size; it
 * is those after it that wait. */
unsigned admission_work(admission *a, double units, uint64_t now_ns);

/* admission_request_id takes the caller's X-Request-Id if it is 1 to 64 of A-Z a-z 0-9 . _ -, or
 * makes one. */
void admission_request_id(slice given, char out[ADMISSION_REQUEST_ID_MAX + 1]);

#endif
