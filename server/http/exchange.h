/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange: the state of one connection's request, independent of the HTTP library.
 *
 * It collects what the header says, keeps the body within its limits, and tracks the stage of the
 * request. An exchange lives as long as its connection and is reused for each request, so that
 * target, body and answer keep their buffers.
 *
 *     IDLE -> HEADER -> BODY -> ANSWERED -> IDLE
 *                 \        \-> ENCODING, WAITING -> as BODY
 *                 \        \-> WORKING -> WORKED -> ANSWERED
 *                  \        \      \-> SUBMITTED -> ANSWERED
 *                   \-> REFUSED -> ANSWERED
 *
 * One thread at a time: the connection's own, or while it is suspended that of the pool for long
 * work (WORKING), of the encoder (ENCODING), of the waits for writes (WAITING) or the writer's
 * (SUBMITTED).
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
    EXCHANGE_TARGET_BYTES = 2 * ADMISSION_TARGET_BYTES_MAX, /* kept of a target */
    EXCHANGE_UNWANTED_BYTES_MAX = 64 * 1024, /* of a body where none belongs: read and dropped */
    EXCHANGE_SLOWEST_BYTES_A_SECOND = 16 * 1024,
};

typedef enum exchange_stage {
    STAGE_IDLE = 0,  /* between requests */
    STAGE_HEADER,    /* the target is known, the header is not */
    STAGE_REFUSED,   /* `answer` says why; its body, if any, is being dropped */
    STAGE_BODY,      /* collecting */
    STAGE_WAITING,   /* `wait` is the engine's until it is resumed and begun again */
    STAGE_ENCODING,  /* `encoding` is the encoder's until it is resumed and begun again */
    STAGE_WORKING,   /* the pool's until it is resumed */
    STAGE_WORKED,    /* `response` is complete, and is to be sent */
    STAGE_SUBMITTED, /* `write` and `job` are the writer's until it is resumed */
    STAGE_ANSWERED,
} exchange_stage;

typedef struct exchange {
    /* immutable */
    admission *admission;
    unsigned timeout_seconds;
    /* what the HTTP loop keeps here */
    void *listener, *connection;
    _Atomic size_t *counted; /* where server/http/balance.h counts the connection, or NULL */
    int socket;
    char peer[CLIENT_TEXT_MAX];   /* the address of the connection */
    char client[CLIENT_TEXT_MAX]; /* of the request: the peer's, or what a trusted proxy says */
    slice forwarded;              /* X-Forwarded-For */
    uint64_t caller;              /* who it is, as far as shares of the service go: a hash */
    struct exchange *next, **link;
    /* atomic: read by the sweep */
    atomic_uint_fast64_t deadline_ns; /* when it is cut off; 0: never */
    atomic_uint_fast64_t sending_ns;  /* since when a long answer is sent; 0: none is */
    uint64_t acked;      /* bytes that the client had acknowledged then; set before sending_ns */
    atomic_bool reading; /* waiting for bytes of a body */
    atomic_uint_fast64_t idle_ns; /* since when no request was complete up to its
                                     body; 0: one is in progress */
    bool reserve;                 /* accepted beyond connections_max: for /health alone */
    /* of the request */
    exchange_stage stage;
    char *target; /* (EXCHANGE_TARGET_BYTES) */
    size_t target_length;
    buffer body; /* counted in the budget of all bodies in flight */
    size_t body_max, dropped;
    bool takes_body;   /* else it is dropped */
    bool refuses_body; /* more than body_max is an error of its own, and the request is not run */
    const char *method;
    bool head;
    const char *target_end; /* in the library's buffer, where version and lines follow */
    const char *line;       /* where the next header line has to begin; see http_request.c */
    admission_request seen;
    api_route route;
    slice content_type, idempotency_key, given_id, preflight, min_seq;
    admission_answer answer;
    char request_id[ADMISSION_REQUEST_ID_MAX + 1];
    api_response response;
    api_encoding encoding;
    api_wait waiting;
    seq_wait wait;  /* for the write that `waiting` names */
    encode_ask ask; /* whose vector `encoding` borrows */
    api_write *write;
    writer_job job;
    work_job work;
    uint64_t looked_ns; /* when the pool last looked whether the client is still there */
    bool gone;          /* it was not */
    bool unread;        /* the client may still be sending bytes that are not read */
    uint64_t begun_ns;
} exchange;

/* exchange_new makes an idle one; NULL without memory. Answers take their memory from `answers`
 * (NULL: no limit on all of them). exchange_free accepts NULL. */
exchange *exchange_new(admission *a, unsigned timeout_seconds, size_t answer_bytes_max,
                       budget *answers);
void exchange_free(exchange *x);

/* exchange_begin starts a request with its raw target; exchange_end makes it idle again and gives
 * large buffers back. */
void exchange_begin(exchange *x, const char *target);
void exchange_end(exchange *x);

/* exchange_deadline grants time for a number of bytes from now on. */
void exchange_deadline(exchange *x, uint64_t now_ns, uint64_t bytes);

/* exchange_header takes one header line. The slices are borrowed for the request's life. */
void exchange_header(exchange *x, slice name, slice value);

/* exchange_refuse notes the answer that is to be given; `detail` is static or in x->answer. */
void exchange_refuse(exchange *x, unsigned status, const char *detail, unsigned retry_after);

/* exchange_body takes bytes of the body. What is over the limit is dropped, up to as much again,
 * so that the client gets to read the answer; false: cut the connection. */
bool exchange_body(exchange *x, const char *bytes, size_t length);

/* exchange_request fills what the API wants to know; borrowed from the exchange. */
void exchange_request(const exchange *x, int64_t now, api_request *out);

/* exchange_record counts and logs the answer in x->response. */
void exchange_record(const exchange *x, access_log *a, uint64_t now_ns);

#endif
