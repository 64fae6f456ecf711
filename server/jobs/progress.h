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

/* The members are private. The struct is public so that it can be on the stack. */
typedef struct progress {
    const char *label, *unit;
    uint64_t total, done;
    double started, drawn;
    uint64_t first; /* `done` at the first update: work of an earlier run */
    uint32_t lines;
    bool terminal, quiet, any;
} progress;

/* progress_start begins. `label` ("training") and `unit` ("epochs") are borrowed until the finish.
 * A total of 0 means unknown. `quiet` prints nothing. */
void progress_start(progress *p, const char *label, const char *unit, uint64_t total, bool quiet);

/* progress_update reports that `done` of the total are done. `note` ("loss 0.31  NDCG@20 0.034")
 * may be NULL. `force` prints even if the last line was printed just before. */
void progress_update(progress *p, uint64_t done, const char *note, bool force);

/* progress_line prints a line above the bar. */
void progress_line(progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* progress_finish draws the last state, ends the line and prints the total time. */
void progress_finish(progress *p, const char *note);

#endif
