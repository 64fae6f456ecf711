/*
 * train_child: `stair train` as a process of its own, for POST /model/train: its command line from
 * what the caller asked for, and its start.
 *
 * Spawned and never forked, as a process with threads and a map must not be; at low priority; with
 * two pipes: one for the lines of --progress-fd, one for everything it says.
 *
 * Threading: one thread at a time for each struct.
 */
#ifndef SERVER_TRAIN_CHILD_H
#define SERVER_TRAIN_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "api/api.h"
#include "core/common/arena.h"
#include "core/common/err.h"

enum { TRAIN_CHILD_ARGUMENTS_MAX = 80 };

/* A command line, ended by NULL; the texts live in `memory`. */
typedef struct train_child_arguments {
    char *at[TRAIN_CHILD_ARGUMENTS_MAX + 1];
    size_t count;
    arena memory;
} train_child_arguments;

typedef struct train_child_ask {
    const char *program, *store_dir;
    unsigned threads; /* unless the caller says; 0: the child decides */
    const api_train_option *options;
    size_t count;
    json_report report; /* told of every wrong option, not only the first */
    void *report_ctx;
} train_child_ask;

/* train_child_arguments_build checks every option against the table of `stair train`. ERR_INVALID
 * when some are wrong. Free with train_child_arguments_fini, also after a failure. */
err_code train_child_arguments_build(train_child_arguments *out, const train_child_ask *ask,
                                     err *e) ERR_CHECKED;
void train_child_arguments_fini(train_child_arguments *a);

typedef struct train_child {
    pid_t pid; /* to be waited for */
    /* read ends, to be closed; they end when the child has ended */
    int progress_fd, output_fd;
} train_child;

/* train_child_start runs the command line (its first word is the program). Does not block. */
err_code train_child_start(train_child *out, char *const *argv, err *e) ERR_CHECKED;

#endif
