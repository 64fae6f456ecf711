/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress: shows the progress of a long job on standard error.
 *
 * On a terminal it redraws a bar in place, with rate and time left; elsewhere it prints a plain
 * line now and then. It never slows a job down: most calls return after reading the clock. One
 * thread at a time.
 */
#ifndef SERVER_PROGRESS_H
#define SERVER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Members are private; the struct is public so that it can live on the stack. */
typedef struct progress {
    const char *label, *unit;
    uint64_t total, done;
    double started, drawn;
    uint64_t first; /* done at the first update: work that an earlier run did */
    uint32_t lines;
    bool terminal, quiet, any;
} progress;

/* progress_start: `label` ("training") and `unit` ("epochs") are borrowed until the finish; total 0
 * means that it is not known. `quiet` prints nothing at all. */
void progress_start(progress *p, const char *label, const char *unit, uint64_t total, bool quiet);

/* progress_update says that `done` of the total are done; `note` ("loss 0.31  NDCG@20 0.034") may
 * be NULL. `force` prints it whenever the last line was. */
void progress_update(progress *p, uint64_t done, const char *note, bool force);

/* progress_line prints a line of its own above the bar. */
void progress_line(progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* progress_finish draws the last state and ends the line; says how long all of it took. */
void progress_finish(progress *p, const char *note);

#endif
