/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target: splits and decodes the target of a request, as RFC 3986 requires: split first, decode
 * afterwards.
 *
 * Ids may contain any character, including a slash or NUL, so the path is split at "/" and the
 * query at "&" and "=" while everything is still percent-encoded. In the query, "+" is a space, as
 * in forms and client libraries. A part that cannot be decoded, or is not UTF-8 afterwards, is
 * refused.
 *
 * Everything decoded lies in the given arena. Otherwise pure.
 */
#ifndef API_TARGET_H
#define API_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/slice.h"

enum { TARGET_SEGMENTS_MAX = 4, TARGET_PARAMETERS_MAX = 4096 };

typedef struct target_parameter {
    slice name, value;
    bool used; /* a handler has read it */
} target_parameter;

typedef struct target {
    slice segments[TARGET_SEGMENTS_MAX]; /* decoded; (segment_count) at most TARGET_SEGMENTS_MAX */
    /* TARGET_SEGMENTS_MAX + 1 if the path has more segments than any route */
    size_t segment_count;
    target_parameter *parameters;
    size_t parameter_count;
} target;

/* target_parse_path reads the path of `raw`: "/items/a%2Fb?x=1", or in absolute form with
 * "http://host" before it. ERR_INVALID, ERR_NOMEM. */
err_code target_parse_path(target *out, slice raw, arena *memory, err *e) ERR_CHECKED;

/* target_parse_query reads what follows the first "?". ERR_TOO_LARGE: there are too many
 * parameters. */
err_code target_parse_query(target *t, slice raw, arena *memory, err *e) ERR_CHECKED;

#endif
