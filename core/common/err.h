/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: an error is a code for the program and a sentence for a person.
 *
 * Every function that can fail returns an err_code and takes an `err *` as its last argument, which
 * may be NULL. The first error wins: a second err_set on the same err changes nothing, so the text
 * names the cause and not a consequence. On the way up, callers add the place with err_context.
 * Texts are lower case without a full stop, and say what, actual, allowed, where:
 * "items[3].features.text: expected 384 numbers, not 383".
 *
 * An err is on the caller's stack, and one thread uses it at a time.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

typedef enum err_code {
    ERR_OK = 0,
    ERR_INVALID,         /* the caller's input is wrong; the text names the field */
    ERR_NOT_FOUND,       /* a well-formed id that does not exist */
    ERR_CONFLICT,        /* contradicts what is stored */
    ERR_TOO_LARGE,       /* over a configured limit; the text names the limit */
    ERR_UNPROCESSABLE,   /* an idempotency key was reused with another body */
    ERR_UNAVAILABLE,     /* not ready, stopping or full; a later try can succeed */
    ERR_FULL,            /* the disk, the map or the quota is full */
    ERR_OUTCOME_UNKNOWN, /* a commit failed half-way; the write may or may not be stored */
    ERR_CANCELLED,       /* a callback or a signal asked to stop */
    ERR_IO,              /* the operating system or LMDB refused */
    ERR_CORRUPT,         /* stored bytes failed a check; never retried */
    ERR_NOMEM,           /* an allocation failed */
    ERR_INTERNAL,        /* a bug of ours */
    ERR_CODES            /* number of codes */
} err_code;

enum { ERR_TEXT_MAX = 512 };

typedef struct err {
    err_code code;
    char text[ERR_TEXT_MAX];
} err;

#define ERR_INIT                                                                                   \
    {                                                                                              \
        ERR_OK, ""                                                                                 \
    }

#define ERR_CHECKED __attribute__((warn_unused_result))

/* err_set stores `code` and the text, unless e is NULL or already holds an error. It returns
 * `code`, for use as `return err_set(e, ERR_INVALID, ...)`. */
err_code err_set(err *e, err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_context puts "<context>: " before the text of an existing error. It returns the error's
 * code. */
err_code err_context(err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* err_nomem sets the text for a failed allocation; `what` completes "no memory for ...". */
err_code err_nomem(err *e, const char *what);

/* err_code_name returns a stable snake_case name for any number; never NULL. */
const char *err_code_name(err_code code);

#endif
