/* SPDX-License-Identifier: Apache-2.0 */
/*
 * in_child: runs work on a store that may be damaged in a child process.
 *
 * LMDB trusts the pages that it maps. On a damaged page it fails an assertion, reads beyond the
 * file or follows a wrong number, and each of these ends the process. The parent survives and
 * reports how the child died.
 */
#ifndef SERVER_IN_CHILD_H
#define SERVER_IN_CHILD_H

#include <stdbool.h>

#include "core/common/err.h"

/* What the child is doing, for the parent's report; both share the memory. */
typedef struct child_place {
    char what[64];
    bool printed; /* the child has written its result to standard output */
} child_place;

/* The work calls place_set when it turns to something else. */
void place_set(child_place *place, const char *what);

typedef struct child_work {
    const char *name; /* the parent's name for the work, for its report: "the check" */
    err_code (*run)(void *ctx, child_place *place, err *e);
    void *ctx;
    child_place *last; /* receives the place where the child ended; may be NULL */
} child_work;

/* in_child forks, runs the work and returns its error. ERR_CORRUPT, with the signal and the place:
 * the child died. The work's standard output and error are flushed. An interrupt is passed on. Call
 * it while this process has no other thread. */
err_code in_child(const child_work *work, err *e) ERR_CHECKED;

#endif
