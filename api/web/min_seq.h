/* SPDX-License-Identifier: Apache-2.0 */
/*
 * min_seq: makes sure that a read is not older than a given write.
 *
 * Every route that reads content takes the number of a write, as the query's min_seq, the header
 * X-Stair-Min-Seq or the body's member min_seq. Where several are given the greatest counts. The
 * answer then has seen that write, or is 503 with Retry-After. Where the store follows a log, the
 * request is put off until the write is here, or its time is up (api_wait).
 *
 * Internal to api/. The live view is asked: what it has seen is also in the store.
 */
#ifndef API_MIN_SEQ_H
#define API_MIN_SEQ_H

#include "api/web/body.h"
#include "api/web/context.h"
#include "core/common/err.h"

/* JSON readers keep whole numbers up to this exactly. */
#define MIN_SEQ_MAX ((uint64_t)1 << 53)

/* min_seq_request looks at the query and the header; ERR_UNAVAILABLE if the write is not seen, also
 * where the request is put off for it. A
 * wrong value is reported as the parameter's problem. */
err_code min_seq_request(context *c, err *e) ERR_CHECKED;

/* min_seq_body looks at the body's member, which the caller has among its known names. */
err_code min_seq_body(const body_object *o, err *e) ERR_CHECKED;

#endif
