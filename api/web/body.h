/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body: reads JSON bodies strictly, and reports every fault with its JSON pointer.
 *
 * Before jansson builds a tree, one pass over the bytes checks the nesting and the number of
 * values, so that a small body cannot become a large tree. Duplicate members, invalid UTF-8 and
 * anything after the document are refused. Integers and reals both count as numbers.
 *
 * The tree belongs to the context and lives as long as the request. Strings are borrowed from it.
 */
#ifndef API_BODY_H
#define API_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/web/context.h"
#include "core/common/err.h"
#include "core/common/slice.h"

enum { BODY_DEPTH_MAX = 32 };

/* An object of the body, and its place. */
typedef struct body_object {
    context *c;
    const json_t *json;
    const char *pointer; /* "" for the body itself */
} body_object;

/* body_parse reads the whole body, which must be an object. */
err_code body_parse(context *c, body_object *out, err *e) ERR_CHECKED;

/* body_known reports every member that is not among the NULL-terminated names. */
void body_known(const body_object *o, const char *const *names);

/* body_pointer returns the escaped pointer of a member, body_pointer_at that of an entry of a list.
 * They are in the context's arena. */
const char *body_pointer(const body_object *o, const char *name);
const char *body_pointer_at(context *c, const char *pointer, size_t index);

/* The getters return false and leave *out unchanged if the member is absent, or if it is wrong,
 * which they report. null is wrong. */
bool body_text(const body_object *o, const char *name, size_t bytes_max, slice *out);
bool body_unsigned(const body_object *o, const char *name, uint64_t least, uint64_t most,
                   uint64_t *out);
bool body_number(const body_object *o, const char *name, double least, double most, double *out);
bool body_bool(const body_object *o, const char *name, bool *out);

/* body_list returns a member that must be a list, or NULL. body_texts copies a list of at most
 * count_max strings of 1 to bytes_max bytes each. */
typedef struct body_texts_limits {
    size_t bytes_max, count_max;
} body_texts_limits;
const json_t *body_list(const body_object *o, const char *name);
void body_texts(const body_object *o, const char *name, body_texts_limits limits, const slice **out,
                size_t *count);

/* A configured limit on the entries of a list. */
typedef struct body_limit {
    const char *name;
    size_t most;
} body_limit;

/* body_count_check returns ERR_TOO_LARGE, with the place and the limit, if the list `name` has too
 * many entries. Other values pass. */
err_code body_count_check(const body_object *o, const char *name, body_limit limit,
                          err *e) ERR_CHECKED;

/* body_entries returns the list of a batch, which has 1 entry up to the limit. *out is NULL if the
 * member is absent. */
err_code body_entries(const body_object *o, const char *name, body_limit limit, const json_t **out,
                      err *e) ERR_CHECKED;

/* body_text_of borrows a JSON string as a slice. */
slice body_text_of(const json_t *string);

#endif
