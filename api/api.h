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
 *     api_write_op        the op to submit; wait for its apply_result
 *     api_finish          the answer (or api_abandon without one)
 *     api_refuse          a problem document for a request that the server itself refuses
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

/* The most memory of one request: API_WORKSPACE_BYTES, plus API_WORKSPACE_PER_BODY_BYTE times the
 * largest body, because a byte of the body can become that many bytes of ids, weights, rows and
 * pointers. */
#define API_WORKSPACE_BYTES ((size_t)64 << 20)
enum { API_WORKSPACE_PER_BODY_BYTE = 8 };

/* The same for a request with short_only, and for one stored record: twice the features of the
 * widest item, which are larger than the rest of it. */
#define API_SHORT_WORKSPACE_BYTES ((size_t)16 << 20)
#define API_RECORD_BYTES          ((size_t)2 * MODALITIES_MAX * FEATURE_WIDTH_MAX * 4)

/* The JSON values of a body may take this many times the largest body. */
enum { API_TREE_PER_BODY_BYTE = 16 };

typedef struct api api;
typedef struct api_write api_write;

/* A key's role includes the ones before it. */
typedef enum api_role {
    API_OPEN = 0, /* no key is needed */
    API_READ,
    API_WRITE,
    API_ADMIN,
} api_role;

const char *api_role_name(api_role role);

/* Defaults of configured limits, as plain numbers. server/cli/serve_options.c makes the texts of
 * its table from them. */
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

/* Configured limits. An answer caused by a limit names it. 0 means the default: the number above,
 * or the one given here. */
typedef struct api_limits {
    size_t body_bytes_max;
    size_t body_values_max; /* JSON values in a body; default 8 million */
    size_t answer_bytes_max;
    size_t batch_items_max; /* entries of a write of several items */
    size_t batch_interactions_max;
    size_t batch_requests_max; /* of /recommend/batch */
    size_t exclude_max;        /* excluded items of one request */
    size_t session_items_max;  /* items of one session */
    size_t errors_max;         /* faults listed for a bad body; default 20 */
    size_t work_max;           /* units of work (api/web/cost.h) that one request may take */
    size_t exports_max;        /* exports that are being written or sent at once */
    size_t spool_bytes_max;    /* total size of their files */
    /* units per second for all requests; 0: no limit. Only for the text of the answer:
     * api_deps.work decides */
    double work_rate;
} api_limits;

typedef struct api_health {
    bool ready; /* store open, live view published, not stopping */
    bool stopping;
    /* false while the writer refuses, because the disk is full or a commit failed */
    bool writable;
    /* what keeps writes or the background work from succeeding, for people, without internals; ""
     * if nothing does */
    char problem[128];
    uint32_t active; /* generation that should be served; 0 if none */
    uint64_t queue_depth;
    uint64_t uptime_seconds;
    uint64_t store_bytes; /* bytes of the store's pages in use */
    uint64_t quota_bytes; /* 0 if none */
    uint64_t held_bytes;  /* free pages that an open read keeps from being reused */
    char held_by[96];     /* description of that read; "" if there is none */
    double propagation_lag_seconds;
    bool encoder; /* another server encodes texts; otherwise the rest is 0 */
    uint64_t encoder_pending, encoder_refused, encoder_failures;
    char encoder_problem[128]; /* why its last call failed; "" if it did not */
} api_health;

typedef enum api_train_state {
    API_TRAIN_IDLE = 0, /* no training since the process started */
    API_TRAIN_RUNNING,
    API_TRAIN_DONE,
    API_TRAIN_FAILED,
    API_TRAIN_CANCELLED,
} api_train_state;

typedef struct api_train_status {
    api_train_state state;
    int64_t started, ended; /* epoch seconds; 0 if not yet */
    uint32_t epoch, epochs; /* 0 if not known */
    double loss;            /* NaN if not known */
    double seconds_left;    /* NaN if not known */
    char metric[32];        /* the metric that selects, such as "NDCG@20"; "" if not known */
    double metric_value;    /* at the last evaluation; NaN if not known */
    uint32_t generation;    /* number of the generation that it wrote; 0 if none yet */
    bool activated;
    char detail[ERR_TEXT_MAX]; /* why it failed; otherwise "" */
} api_train_status;

/* A member of an option that is an object: {"neighbours":{"text":5}} has the part "text". */
typedef struct api_train_part {
    slice name;
    const char *pointer;
} api_train_part;

/* One member of the body of POST /model/train, with its name on the command line ("weight-decay").
 * `value` is the text that it would have there ("0.1", "text=5,image=1", "true"). */
typedef struct api_train_option {
    slice name;
    /* absent if it was wrong and has been reported; the other options are still checked */
    slice value;
    const char *pointer;         /* for reports, like the pointers of the parts */
    const api_train_part *parts; /* (part_count) if the value was an object, otherwise none */
    size_t part_count;
} api_train_option;

typedef enum api_snapshot_state {
    API_SNAPSHOT_RUNNING = 1,
    API_SNAPSHOT_DONE,
    API_SNAPSHOT_FAILED,
} api_snapshot_state;

typedef struct api_snapshot {
    api_snapshot_state state;
    uint64_t bytes, seq; /* of the copy, when done */
    bool seq_unknown;    /* an older copy, in another format */
    int64_t started, ended;
    char detail[ERR_TEXT_MAX];
} api_snapshot;

/* In how many seconds after an erasure the cluster's copies of the store no longer contain the
 * user. */
typedef struct api_erasure_terms {
    bool copied; /* false for a single node, which has no such copies */
    int64_t generations_seconds, snapshots_seconds, log_seconds, blobs_seconds;
} api_erasure_terms;

/* What the process provides to the API. The functions return quickly. All except `health` may be
 * NULL; routes that need a missing one answer 503. */
typedef struct api_deps {
    live *live;
    store *store;
    const interaction_types *types;
    api_limits limits;
    const char *version;
    /* modality that an encoder makes from texts; NULL if there is no encoder */
    const char *encoder_modality;
    api_erasure_terms erasure;
    /* folder for exports, which are written to unlinked files before they are sent */
    const char *spool_dir;
    void *ctx; /* first argument of all functions below */
    void (*health)(void *ctx, api_health *out);
    /* metrics appends Prometheus text. */
    void (*metrics)(void *ctx, buffer *out);
    /* train_start starts a training. ERR_CONFLICT: one is running. ERR_INVALID: options are wrong;
     * all are reported, as `stair train` would refuse them. */
    err_code (*train_start)(void *ctx, const api_train_option *options, size_t count,
                            json_report report, void *report_ctx, err *e);
    void (*train_status)(void *ctx, api_train_status *out);
    err_code (*train_cancel)(void *ctx, err *e); /* ERR_NOT_FOUND: none is running */
    /* snapshot_start starts a copy with this checked name. ERR_CONFLICT: the name exists. */
    err_code (*snapshot_start)(void *ctx, slice name, err *e);
    err_code (*snapshot_status)(void *ctx, slice name, api_snapshot *out, err *e);
    /* cluster makes the answer of GET /cluster, or returns NULL if memory runs out. The function is
     * NULL on a single node. */
    struct json_t *(*cluster)(void *ctx);
    /* work charges units of work. It returns 0, or the seconds to wait before another try. NULL: no
     * limit. */
    unsigned (*work)(void *ctx, double units);
    /* clock_ns returns monotonic nanoseconds, for the phases. NULL: phases stay 0. */
    uint64_t (*clock_ns)(void);
} api_deps;

/* A text of the request that an encoder must encode before the request is begun again. The caller
 * keeps it, zeroed for a new request, and frees the text with mem_free. */
typedef struct api_encoding {
    bool asked;  /* the request was postponed for it, and must not be postponed again */
    bool called; /* the encoder was called; false if the text was remembered or nothing was asked */
    bool of_item; /* the text belongs to an item that is written, not to a requested list */
    char *text;   /* (length) */
    size_t length;
    const float *vector; /* (width) the encoder's vector; NULL if there is none */
    uint32_t width;
} api_encoding;

/* A write that the answer must include and that has not arrived yet. The caller keeps it, zeroed
 * for a new request. */
typedef struct api_wait {
    uint64_t seq; /* the number of the write */
    bool over;    /* set by the caller when the time is up; the request then gets 503 */
} api_wait;

/* Everything is borrowed until api_begin returns. */
typedef struct api_request {
    slice method;
    slice target; /* as sent: percent-encoded, with the query string */
    /* from api_route_find for method and target; NULL: api_begin finds it */
    const struct api_route *route;
    slice content_type;     /* absent if there is no such header; likewise below */
    slice idempotency_key;  /* header Idempotency-Key */
    slice min_seq;          /* header X-Stair-Min-Seq */
    slice request_id;       /* request id, which the answer will carry */
    slice body;             /* the complete body */
    int64_t now;            /* epoch seconds */
    bool short_only;        /* postpone long work: API_LATER */
    api_encoding *encoding; /* NULL if no encoder can be asked */
    api_wait *wait;         /* NULL: do not wait for a write */
    /* stopped returns true once the client has gone. It is called between steps of long work. May
     * be NULL. */
    bool (*stopped)(void *ctx);
    void *stopped_ctx;
} api_request;

/* What api_begin did with a request. */
typedef enum api_outcome {
    API_ANSWERED = 0, /* the response is complete */
    API_SUBMIT,       /* *write is set; pass it to api_finish or api_abandon */
    /* nothing was done: have request.encoding's text encoded, or decide not to, and begin the
     * request again */
    API_ENCODE,
    /* nothing was done: begin the request again once the live tables include write
     * request.wait->seq, or with `over` */
    API_WAIT,
    /* nothing was done: begin the request again without short_only, on a thread that no other
     * request waits for */
    API_LATER,
} api_outcome;

/* Parts of a request's time, for metrics. The server adds queue wait and commit. */
typedef enum api_phase {
    API_PHASE_PARSE = 0,
    API_PHASE_LOOKUP,
    API_PHASE_FILTER, /* the bitmap of the items that a list may contain */
    API_PHASE_SEARCH,
    API_PHASE_SERIALISE,
    API_PHASES
} api_phase;

/* The caller owns api_response and reuses it for the next request (api_response_reset), so that
 * bodies keep their buffers. */
typedef struct api_response {
    unsigned status;
    const char *content_type; /* static */
    buffer body;
    /* if >= 0, the body is this file, `file_bytes` long; the caller closes it, or else
     * api_response_reset does */
    int file;
    uint64_t file_bytes;
    spool_hold spool;             /* the file's share of the spool, until the reset */
    const char *route;            /* template, never NULL after api_begin: for metrics and logs */
    const char *allow;            /* header Allow, or NULL; static */
    const char *www_authenticate; /* header WWW-Authenticate, or NULL; static */
    unsigned retry_after_seconds; /* header Retry-After if > 0 */
    char location[1024];          /* header Location unless "" */
    uint64_t phase_ns[API_PHASES];
    uint32_t lists[RECOMMEND_FALLBACKS]; /* lists in the answer, by their fallback */
    uint32_t lists_inexact;              /* of these, lists from an approximate search */
    err_code code;                       /* the code that led to the status */
    char cause[ERR_TEXT_MAX]; /* for the log: the whole text, even if the body hides it */
} api_response;

void api_response_init(api_response *r, size_t body_bytes_max);
void api_response_reset(api_response *r);
void api_response_fini(api_response *r);

/* api_new checks and copies `deps`. Everything that it points to must outlive the api. */
err_code api_new(api **out, const api_deps *deps, err *e) ERR_CHECKED;
void api_free(api *a);

/* api_limits_get returns the limits in force, with the defaults filled in. */
void api_limits_get(const api *a, api_limits *out);

typedef struct api_route {
    const char *route; /* template ("/items/{id}"), or "none" */
    api_role role;     /* role that the caller needs; paths that do not exist need API_READ */
    bool takes_body;   /* otherwise a body is ignored */
    size_t body_bytes_max;
    bool exists;               /* otherwise api_begin answers 400, 404 or 405, whatever the body */
    const struct route *match; /* private, like the next: results that api_begin reuses */
    size_t id_segment;         /* segment of the path with the id; too large if there is none */
} api_route;

/* api_route_find tells, from the request line alone, what is needed before the body is read. It
 * never fails: api_begin reports faults of the line. */
void api_route_find(const api *a, slice method, slice target, api_route *out);

/* api_begin answers, prepares a write, or postpones the request if short_only is set and the work
 * is long. It never fails: failures are responses. */
api_outcome api_begin(api *a, const api_request *request, api_response *response,
                      api_write **write);

/* api_write_op returns the op to submit, valid until the write ends. */
op *api_write_op(const api_write *w);

/* api_finish builds the answer from the outcome of the op and ends the write. ERR_UNAVAILABLE,
 * ERR_FULL and ERR_OUTCOME_UNKNOWN become the corresponding problems. */
void api_finish(api *a, api_write *w, const apply_result *result, api_response *response);

/* api_abandon ends a write without an answer; accepts NULL. */
void api_abandon(api *a, api_write *w);

/* api_refuse fills `response` with a problem document of this HTTP status (one of those in
 * docs/http.md, or 408), for requests that never reach a handler: bad keys, limits, a full queue.
 * The answer shows `detail`. 401 sets www_authenticate. 429 and 503 set a Retry-After of one
 * second, which the caller may raise. */
void api_refuse(api_response *response, unsigned status, slice request_id, const char *detail);

/* The route table, for the check against openapi.yaml: entry i, or false at its end. */
typedef struct api_route_entry {
    const char *method, *route;
    api_role role;
} api_route_entry;
bool api_route_at(size_t i, api_route_entry *out);

#endif
