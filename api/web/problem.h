/* SPDX-License-Identifier: Apache-2.0 */
/*
 * problem: error answers, as application/problem+json (RFC 9457).
 *
 * This module has the one table from error codes to HTTP statuses. A body or query string can be
 * wrong in several places. They are collected, up to a limit, and listed with a JSON pointer
 * (bodies) or a parameter's name (queries). Answers of 500 and above never show an internal text;
 * it goes to the response's `cause`, for the log.
 *
 * A problem_list belongs to one request.
 */
#ifndef API_PROBLEM_H
#define API_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "api/api.h"
#include "core/common/arena.h"
#include "core/common/err.h"

typedef struct problem_entry {
    const char *place; /* JSON pointer, or a parameter's name */
    const char *detail;
    bool parameter;
} problem_entry;

typedef struct problem_list {
    problem_entry *entries; /* (count) */
    size_t count, entries_max;
    size_t found; /* all faults found; those beyond `entries_max` are only counted */
    arena *memory;
} problem_list;

void problem_list_init(problem_list *list, size_t entries_max, arena *memory);

/* problem_report is a json_report whose ctx is the list. */
void problem_report(void *list, const char *pointer, const char *detail);

/* problem_at formats the detail. problem_parameter is for query strings, header names and paths. */
void problem_at(problem_list *list, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void problem_parameter(problem_list *list, slice name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* problem_names joins NULL-terminated `names` for a detail: "a, b, c" or "none". The text lives as
 * long as the list's memory. It is "" once the list is full and shows no more details. */
const char *problem_names(const problem_list *list, const char *const *names);

/* problem_status maps any code to its status; never 200. */
unsigned problem_status(err_code code);

/* problem_title returns the phrase of the status. */
const char *problem_title(unsigned status);

/* problem_respond makes `response` the problem document of `e`; `list` may be NULL. */
void problem_respond(api_response *response, const err *e, const problem_list *list,
                     slice request_id);

/* problem_open and problem_close write the document in two parts, so that a caller can add members
 * between them. problem_respond does both. */
void problem_open(api_response *response, unsigned status, const char *name, const char *detail);
void problem_close(api_response *response, const problem_list *list, slice request_id);

#endif
