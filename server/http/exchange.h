/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange: the state of one connection's request, independent of the HTTP library.
 *
 * It collects the header, keeps the body within its limits, and tracks the stage of the request. An
 * exchange lives as long as its connection and is reused for each request, so that target, body and
 * answer keep their buffers.
 *
 *     IDLE -> HEADER -> BODY -> ANSWERED -> IDLE
 *                 \        \-> ENCODING, WAITING -> as BODY
 *                 \        \-> WORKING -> WORKED -> ANSWERED
 *                  \        \      \-> SUBMITTED -> ANSWERED
 *                   \-> REFUSED -> ANSWERED
 *
 * One thread at a time uses it: the connection's own thread, or while the connection is suspended,
 * a thread of the pool for long work (WORKING), the encoder (ENCODING), the waits for writes
 * (WAITING) or the writer (SUBMITTED).
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "core/common/buffer.h"
#include "server/encode/encode_asks.h"
#include "server/http/access.h"
#include "server/http/admission.h"
#include "server/http/client.h"
#include "server/http/work.h"
#include "server/runtime/seq_waits.h"
#include "server/runtime/writer.h"

enum {
    EXCHANGE_TARGET_BYTES = 2 * ADMISSION_TARGET_BYTES_MAX, /* bytes of a target that are kept */
    /* bytes of an unwanted body that are read and dropped */
    EXCHANGE_UNWANTED_BYTES_MAX = 64 * 1024,
    EXCHANGE_SLOWEST_BYTES_A_SECOND = 16 * 1024,
};

typedef enum exchange_stage {
    STAGE_IDLE = 0,  /* between requests */
    STAGE_HEADER,    /* the target is known, but not the header */
    STAGE_REFUSED,   /* `answer` says why; its body, if any, is being dropped */
    STAGE_BODY,      /* the body is being collected */
    STAGE_WAITING,   /* the engine owns `wait` until the request is resumed and begun again */
    STAGE_ENCODING,  /* the encoder owns `encoding` until the request is resumed and begun again */
    STAGE_WORKING,   /* the pool owns the exchange until it is resumed */
    STAGE_WORKED,    /* `response` is complete and must be sent */
    STAGE_SUBMITTED, /* the writer owns `write` and `job` until the exchange is resumed */
    STAGE_ANSWERED,
} exchange_stage;

typedef struct exchange {
    /* immutable */
    admission *admission;
    unsigned timeout_seconds;
    /* used by the HTTP loop */
    void *listener, *connection;
    _Atomic size_t *counted; /* where server/http/balance.h counts the connection, or NULL */
    int socket;
    char peer[CLIENT_TEXT_MAX]; /* address of the connection */
    /* address of the client: the peer's, or the one that a trusted proxy reports */
    char client[CLIENT_TEXT_MAX];
    slice forwarded; /* X-Forwarded-For */
    uint64_t caller; /* hash that identifies the client for its share of the service */
    struct exchange *next, **link;
    /* atomic: read by the sweep */
    atomic_uint_fast64_t deadline_ns; /* when the connection is cut off; 0: never */
    atomic_uint_fast64_t sending_ns;  /* since when a long answer is being sent; 0 if none is */
    /* bytes that the client had acknowledged at that time; set before sending_ns */
    uint64_t acked;
    atomic_bool reading; /* waiting for bytes of a body */
    /* since when there was no complete request up to its body; 0: one is in progress */
    atomic_uint_fast64_t idle_ns;
    bool reserve; /* accepted beyond connections_max, only for /health */
    /* about the present request */
    exchange_stage stage;
    char *target; /* (EXCHANGE_TARGET_BYTES) */
    size_t target_length;
    buffer body; /* counted in the budget of all bodies in flight */
    /* the most bytes that `body` may hold; the bytes beyond it that were dropped */
    size_t body_max, dropped;
    bool takes_body; /* otherwise the body is dropped */
    /* a body of more than body_max is an error of its own, and the request is not run */
    bool refuses_body;
    const char *method;
    bool head;
    const char *target_end; /* in the library's buffer, followed by version and header lines */
    const char *line;       /* where the next header line must begin; see http_request.c */
    admission_request seen;
    api_route route;
    slice content_type, idempotency_key, given_id, preflight, min_seq;
    admission_answer answer;
    char request_id[ADMISSION_REQUEST_ID_MAX + 1];
    api_response response;
    api_encoding encoding;
    api_wait waiting;
    seq_wait wait;  /* for the write named in `waiting` */
    encode_ask ask; /* `encoding` borrows its vector */
    api_write *write;
    writer_job job;
    work_job work;
    uint64_t looked_ns; /* when the pool last checked that the client is still there */
    bool gone;          /* at that time the client had left */
    bool unread;        /* the client may still be sending bytes that are not read */
    uint64_t begun_ns;
} exchange;

/* exchange_new makes an idle exchange, or returns NULL if memory runs out. Answers take their
 * memory from the budget `answers`; NULL: no common limit. exchange_free accepts NULL. */
exchange *exchange_new(admission *a, unsigned timeout_seconds, size_t answer_bytes_max,
                       budget *answers);
void exchange_free(exchange *x);

/* exchange_begin starts a request with its raw target. exchange_end makes the exchange idle again
 * and frees large buffers. */
void exchange_begin(exchange *x, const char *target);
void exchange_end(exchange *x);

/* exchange_deadline sets the deadline by a number of bytes from now on. */
void exchange_deadline(exchange *x, uint64_t now_ns, uint64_t bytes);

/* exchange_header takes one header line. The slices are borrowed until the request ends. */
void exchange_header(exchange *x, slice name, slice value);

/* exchange_refuse records the answer to give. `detail` is static or in x->answer. */
void exchange_refuse(exchange *x, unsigned status, const char *detail, unsigned retry_after);

/* exchange_body takes bytes of the body. Bytes beyond the limit are dropped, up to the same amount
 * again, so that the client can read the answer. It returns false if the connection must be cut. */
bool exchange_body(exchange *x, const char *bytes, size_t length);

/* exchange_request fills the request for the API, borrowed from the exchange. */
void exchange_request(const exchange *x, int64_t now, api_request *out);

/* exchange_record counts and logs the answer in x->response. */
void exchange_record(const exchange *x, access_log *a, uint64_t now_ns);

#endif
