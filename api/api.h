/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api: the REST interface over the store and the live tables, independent of sockets.
 *
 * It takes one request and gives one response. A read is answered at once. A write is checked
 * completely and returned as a prepared op: the caller submits the op and later passes its result
 * to api_finish, which writes the answer. So handlers neither block nor deal with threads, and
 * tests call them directly.
 *
 *     api_route_find      from the request line alone: template, role, size limit (before the body)
 *     api_begin           -> answered, or *write with an op
 *     api_write_op        submit this; wait for its apply_result
 *     api_finish          the answer (or api_abandon without one)
 *     api_refuse          the same problem document for what the server refuses by itself
 *
 * Thread-safe after api_new: any number of threads may be inside api_begin and api_finish, each
 * with its own request and response.
 */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/web/json_write.h"
#include "api/web/spool.h"
#include "core/common/err.h"
#include "core/common/interaction_types.h"
#include "core/common/slice.h"
#include "core/serve/query/recommend.h"
#include "core/serve/update/live.h"
#include "storage/env/store.h"
#include "storage/exchange/item_json.h"
#include "storage/log/apply.h"
#include "storage/log/op.h"

/* The most that one request's own memory takes: so much, and so much for each byte of the largest
 * body, of which a byte becomes at most that many of ids, weights, rows and pointers. */
#define API_WORKSPACE_BYTES ((size_t)64 << 20)
enum { API_WORKSPACE_PER_BODY_BYTE = 8 };

/* The same for a request with short_only, and for one stored record: twice the features of the
 * widest item, which are more than the rest of it. */
#define API_SHORT_WORKSPACE_BYTES ((size_t)16 << 20)
#define API_RECORD_BYTES          ((size_t)2 * MODALITIES_MAX * FEATURE_WIDTH_MAX * 4)

/* A body's JSON values may take so many times the largest body. */
enum { API_TREE_PER_BODY_BYTE = 16 };

typedef struct api api;
typedef struct api_write api_write;

/* A key's role includes the ones before it. */
typedef enum api_role {
    API_OPEN = 0, /* no key is asked for */
    API_READ,
    API_WRITE,
    API_ADMIN,
} api_role;

const char *api_role_name(api_role role);

/* The defaults of limits that are configuration, as plain numbers: server/cli/serve_options.c makes
 * the text of its table from them. */
#define API_BODY_MIB_MAX           32
#define API_ANSWER_MIB_MAX         256
#define API_SPOOL_GIB_MAX          4
#define API_BATCH_ITEMS_MAX        1000
#define API_BATCH_INTERACTIONS_MAX 10000
#define API_BATCH_REQUESTS_MAX     1000
#define API_EXCLUDE_MAX            1000
#define API_SESSION_ITEMS_MAX      1000
#define API_WORK_MAX               100000
#define API_EXPORTS_MAX            2

/* Limits that are configuration; each is named by the answer that it causes. 0 takes the default,
 * which is the number above unless one is given here. */
typedef struct api_limits {
    size_t body_bytes_max;
    size_t body_values_max; /* JSON values in a body, 8 million */
    size_t answer_bytes_max;
    size_t batch_items_max; /* entries of a bulk write of items */
    size_t batch_interactions_max;
    size_t batch_requests_max; /* of /recommend/batch */
    size_t exclude_max;        /* excluded items of one request */
    size_t session_items_max;  /* items of one session */
    size_t errors_max;         /* pointers listed for a bad body, 20 */
    size_t work_max;           /* units of work (api/web/cost.h) that one request may take */
    size_t exports_max;        /* exports that are written or sent at once */
    size_t spool_bytes_max;    /* of all their files */
    double work_rate; /* units a second that all may take; 0: no limit. Only for the answer's text:
                         api_deps.work decides */
} api_limits;

typedef struct api_health {
    bool ready; /* store open, live view published, not stopping */
    bool stopping;
    bool writable;     /* false while the writer refuses: disk full, failed commit */
    char problem[128]; /* of writing or the background; for people, no internals; "": none */
    uint32_t active;   /* generation that is to serve; 0: none */
    uint64_t queue_depth;
    uint64_t uptime_seconds;
    uint64_t store_bytes; /* in use */
    uint64_t quota_bytes; /* 0: none */
    uint64_t held_bytes;  /* free pages that an open read keeps from being used again */
    char held_by[96];     /* a description of whose read that is; "": no read */
    double propagation_lag_seconds;
    bool encoder; /* texts are encoded by another server; else the rest is 0 */
    uint64_t encoder_pending, encoder_refused, encoder_failures;
    char encoder_problem[128]; /* why its last call failed; "": it did not */
} api_health;

typedef enum api_train_state {
    API_TRAIN_IDLE = 0, /* none since the start of the process */
    API_TRAIN_RUNNING,
    API_TRAIN_DONE,
    API_TRAIN_FAILED,
    API_TRAIN_CANCELLED,
} api_train_state;

typedef struct api_train_status {
    api_train_state state;
    int64_t started, ended; /* epoch seconds; 0: not yet */
    uint32_t epoch, epochs; /* 0: not known */
    double loss;            /* NaN: not known */
    double seconds_left;    /* NaN: not known */
    char metric[32];        /* the one that selects, such as "NDCG@20"; "": not known */
    double metric_value;    /* of the last evaluation; NaN: not known */
    uint32_t generation;    /* that it wrote; 0: none yet */
    bool activated;
    char detail[ERR_TEXT_MAX]; /* why it failed; "" otherwise */
} api_train_status;

/* A member of an option that is an object: {"neighbours":{"text":5}} has the part "text". */
typedef struct api_train_part {
    slice name;
    const char *pointer;
} api_train_part;

/* One member of the body of POST /model/train, by its name on the command line ("weight-decay");
 * `value` is its text there ("0.1", "text=5,image=1", "true"). */
typedef struct api_train_option {
    slice name;
    slice value;         /* absent: it was wrong, and has been reported; the others are checked */
    const char *pointer; /* for reports, as are those of the parts */
    const api_train_part *parts; /* (part_count) if the value was an object, else none */
    size_t part_count;
} api_train_option;

typedef enum api_snapshot_state {
    API_SNAPSHOT_RUNNING = 1,
    API_SNAPSHOT_DONE,
    API_SNAPSHOT_FAILED,
} api_snapshot_state;

typedef struct api_snapshot {
    api_snapshot_state state;
    uint64_t bytes, seq; /* when done */
    bool seq_unknown;    /* an older copy, of another format */
    int64_t started, ended;
    char detail[ERR_TEXT_MAX];
} api_snapshot;

/* By when after an erasure the copies of the store that a cluster keeps are free of the user, in
 * seconds. */
typedef struct api_erasure_terms {
    bool copied; /* false: a single node, without such copies */
    int64_t generations_seconds, snapshots_seconds, log_seconds, blobs_seconds;
} api_erasure_terms;

/* What the process gives to the API. The functions return quickly; any but `health` may be NULL,
 * and the routes that need it then answer 503. */
typedef struct api_deps {
    live *live;
    store *store;
    const interaction_types *types;
    api_limits limits;
    const char *version;
    const char *encoder_modality; /* that an encoder makes of texts; NULL: none */
    api_erasure_terms erasure;
    const char *spool_dir; /* exports are written to unlinked files here before they are sent */
    void *ctx;             /* first argument of all that follows */
    void (*health)(void *ctx, api_health *out);
    /* appends Prometheus text */
    void (*metrics)(void *ctx, buffer *out);
    /* starts a training: ERR_CONFLICT while one runs; ERR_INVALID with all bad options reported, as
     * `stair train` would refuse them */
    err_code (*train_start)(void *ctx, const api_train_option *options, size_t count,
                            json_report report, void *report_ctx, err *e);
    void (*train_status)(void *ctx, api_train_status *out);
    err_code (*train_cancel)(void *ctx, err *e); /* ERR_NOT_FOUND if none runs */
    /* starts a copy under this checked name: ERR_CONFLICT if it exists */
    err_code (*snapshot_start)(void *ctx, slice name, err *e);
    err_code (*snapshot_status)(void *ctx, slice name, api_snapshot *out, err *e);
    /* makes the answer of GET /cluster; NULL as a result: no memory; NULL here: a single node */
    struct json_t *(*cluster)(void *ctx);
    /* charges units of work: 0, or the seconds to wait before another try; NULL: no limit */
    unsigned (*work)(void *ctx, double units);
    /* monotonic nanoseconds, for the phases; NULL: phases stay 0 */
    uint64_t (*clock_ns)(void);
} api_deps;

/* A text of the request that an encoder is to be asked for before the request is begun again. The
 * caller keeps it, zeroed for a new request, and frees the text with mem_free. */
typedef struct api_encoding {
    bool asked;   /* and not to be asked again */
    bool of_item; /* of an item that is written; else of a list that is asked for */
    char *text;   /* (length) */
    size_t length;
    const float *vector; /* (width) that came; NULL: none */
    uint32_t width;
} api_encoding;

/* A write that the request wants to have been seen and that is not here yet. The caller keeps it,
 * zeroed for a new request. */
typedef struct api_wait {
    uint64_t seq; /* of the write */
    bool over;    /* set by the caller: the time is up, and what is not here gets 503 */
} api_wait;

/* Everything is borrowed until api_begin returns. */
typedef struct api_request {
    slice method;
    slice target;                  /* as sent: still encoded, with the query string */
    const struct api_route *route; /* from api_route_find for these two; NULL: it is looked for */
    slice content_type;            /* absent: no such header; likewise below */
    slice idempotency_key;         /* header Idempotency-Key */
    slice min_seq;                 /* header X-Stair-Min-Seq */
    slice request_id;              /* that the answer will carry */
    slice body;                    /* complete */
    int64_t now;                   /* epoch seconds */
    bool short_only;               /* long work is put off: API_LATER */
    api_encoding *encoding;        /* NULL: no encoder can be asked */
    api_wait *wait;                /* NULL: a write that is not here is not waited for */
    /* true once the client has gone; called between steps of long work; or NULL */
    bool (*stopped)(void *ctx);
    void *stopped_ctx;
} api_request;

/* What api_begin made of a request. */
typedef enum api_outcome {
    API_ANSWERED = 0, /* the response is complete */
    API_SUBMIT,       /* *write is set and goes to api_finish or api_abandon */
    API_ENCODE,       /* nothing was done: have request.encoding's text encoded, or let it be, and
                         begin the request again */
    API_WAIT,         /* nothing was done: begin the request again once the live tables have seen
                         write request.wait->seq, or with `over` */
    API_LATER,        /* nothing was done: begin the request again, with short_only unset, on a
                         thread that no other request waits for */
} api_outcome;

/* Parts of a request's time, for metrics; the server adds queue wait and commit. */
typedef enum api_phase {
    API_PHASE_PARSE = 0,
    API_PHASE_LOOKUP,
    API_PHASE_FILTER, /* the bitmap of what a list may hold */
    API_PHASE_SEARCH,
    API_PHASE_SERIALISE,
    API_PHASES
} api_phase;

/* api_response belongs to the caller and is used again for the next request (api_response_reset),
 * so that bodies keep their buffers. */
typedef struct api_response {
    unsigned status;
    const char *content_type; /* static */
    buffer body;
    int file; /* >= 0: the body is this file, `file_bytes` long; the caller
                 closes it (api_response_reset does, if it is still here) */
    uint64_t file_bytes;
    spool_hold spool;             /* what the file takes of the spool, until the reset */
    const char *route;            /* template, never NULL after api_begin: for metrics and logs */
    const char *allow;            /* header Allow, or NULL; static */
    const char *www_authenticate; /* header WWW-Authenticate, or NULL; static */
    unsigned retry_after_seconds; /* header Retry-After if > 0 */
    char location[1024];          /* header Location unless "" */
    uint64_t phase_ns[API_PHASES];
    uint32_t lists[RECOMMEND_FALLBACKS]; /* in the answer, by the reason of their fallback */
    uint32_t lists_inexact;              /* of these: from an approximate search */
    err_code code;                       /* what the status came from */
    char cause[ERR_TEXT_MAX]; /* for the log: the whole text, also where the body hides it */
} api_response;

void api_response_init(api_response *r, size_t body_bytes_max);
void api_response_reset(api_response *r);
void api_response_fini(api_response *r);

/* api_new checks and copies `deps`; all that it points at must outlive the api. */
err_code api_new(api **out, const api_deps *deps, err *e) ERR_CHECKED;
void api_free(api *a);

/* api_limits_get gives the limits in force, with the defaults filled in. */
void api_limits_get(const api *a, api_limits *out);

typedef struct api_route {
    const char *route; /* template ("/items/{id}"), or "none" */
    api_role role;     /* that the caller needs; paths that do not exist need API_READ */
    bool takes_body;   /* else a body is not looked at */
    size_t body_bytes_max;
    bool exists;               /* else api_begin answers 400, 404 or 405, whatever the body */
    const struct route *match; /* private, as is the next: what api_begin need not look for again */
    size_t id_segment;         /* of the path; beyond them all: none */
} api_route;

/* api_route_find tells, from the request line alone, what to ask before the body is read. It never
 * fails: what is wrong with the line comes out of api_begin. */
void api_route_find(const api *a, slice method, slice target, api_route *out);

/* api_begin answers, or prepares a write, or puts the request off if short_only is set and it is
 * long. Never fails: failures are responses. */
api_outcome api_begin(api *a, const api_request *request, api_response *response,
                      api_write **write);

/* api_write_op is the op to submit, valid until the write ends. */
const op *api_write_op(const api_write *w);

/* api_finish builds the answer from the outcome of the op and ends the write. Results with
 * ERR_UNAVAILABLE, ERR_FULL and ERR_OUTCOME_UNKNOWN come out as the problems they are. */
void api_finish(api *a, api_write *w, const apply_result *result, api_response *response);

/* api_abandon ends a write without an answer; accepts NULL. */
void api_abandon(api *a, api_write *w);

/* api_refuse fills `response` with a problem document of this HTTP status (one of those in
 * docs/http.md, or 408) for what never reached a handler: keys, limits, a queue that is full.
 * `detail` is shown. 401 sets www_authenticate, 429 and 503 a Retry-After of one second (raise it
 * if you know more).
 */
void api_refuse(api_response *response, unsigned status, slice request_id, const char *detail);

/* The route table, for the check against openapi.yaml: entry i, false at its end. */
typedef struct api_route_entry {
    const char *method, *route;
    api_role role;
} api_route_entry;
bool api_route_at(size_t i, api_route_entry *out);

#endif
