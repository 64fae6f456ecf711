/* SPDX-License-Identifier: Apache-2.0 */
/*
 * min_seq: makes sure that a read is not older than a given write.
 *
 * Every route that reads content accepts the number of a write, as the query's min_seq, the header
 * X-Stair-Min-Seq or the body's member min_seq. If several are given, the largest counts. The
 * answer includes that write, or it is 503 with Retry-After. If the store follows a log, the
 * request is postponed until the write arrives or its time is up (api_wait).
 *
 * Internal to api/. The live view decides: whatever it includes is also in the store.
 */
#ifndef API_MIN_SEQ_H
#define API_MIN_SEQ_H

#include "api/web/body.h"
#include "api/web/context.h"
#include "core/common/err.h"

/* JSON readers represent whole numbers up to this exactly. */
#define MIN_SEQ_MAX ((uint64_t)1 << 53)

/* min_seq_request checks the query and the header. ERR_UNAVAILABLE: the write is not seen, also if
 * the request is postponed for it. A wrong value is reported as a problem of the parameter. */
err_code min_seq_request(context *c, err *e) ERR_CHECKED;

/* min_seq_body checks the body's member, which must be one of the caller's known names. */
err_code min_seq_body(const body_object *o, err *e) ERR_CHECKED;

#endif
