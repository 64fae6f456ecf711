/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: an error is a code for the program and a sentence for a person.
 *
 * Every function that can fail returns an err_code and takes an `err *` last, which may be NULL.
 * The first error wins: a second err_set on the same err changes nothing, so the text names the
 * cause and not its consequence; callers add where it happened with err_context on the way up.
 * Texts are lower case without a full stop and say what, actual, allowed, where:
 * "items[3].features.text: expected 384 numbers, not 383".
 *
 * An err lives on the caller's stack and is used by one thread at a time.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

typedef enum err_code {
    ERR_OK = 0,
    ERR_INVALID,         /* the caller's input is wrong; the text names the field */
    ERR_NOT_FOUND,       /* a well-formed id that we do not have */
    ERR_CONFLICT,        /* contradicts what is stored */
    ERR_TOO_LARGE,       /* over a configured limit; the text names the limit */
    ERR_UNPROCESSABLE,   /* an idempotency key used again with another body */
    ERR_UNAVAILABLE,     /* not ready, stopping or full; a later try can succeed */
    ERR_FULL,            /* the disk, the map or the quota is full */
    ERR_OUTCOME_UNKNOWN, /* a commit failed half-way; the write may or may not be there */
    ERR_CANCELLED,       /* a callback or a signal asked to stop */
    ERR_IO,              /* the operating system or LMDB refused */
    ERR_CORRUPT,         /* stored bytes failed a check; never retried */
    ERR_NOMEM,           /* an allocation failed */
    ERR_INTERNAL,        /* a bug of ours */
    ERR_CODES            /* how many there are */
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

/* err_set stores `code` and the text unless e is NULL or holds an error already. Returns `code`,
 * so that `return err_set(e, ERR_INVALID, ...)` reads as one sentence. */
err_code err_set(err *e, err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_context puts "<context>: " before the text of an error that is set. Returns its code. */
err_code err_context(err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* err_nomem is the one wording for a failed allocation; `what` completes "no memory for ...". */
err_code err_nomem(err *e, const char *what);

/* err_code_name gives a stable snake_case name; never NULL, for any number. */
const char *err_code_name(err_code code);

#endif
