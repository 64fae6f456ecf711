/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_child: `stair train` as a process of its own, for POST /model/train.
 *
 * Spawned and never forked, as a process with threads and a map must not be; at low priority; with
 * two pipes: one for the lines of --progress-fd, one for everything it says.
 *
 * Threading: one thread at a time for each struct.
 */
#ifndef SERVER_TRAIN_CHILD_H
#define SERVER_TRAIN_CHILD_H

#include <sys/types.h>

#include "core/common/err.h"

enum { TRAIN_CHILD_PROGRESS_FD = 3 }; /* in the child: its --progress-fd */

typedef struct train_child {
    pid_t pid; /* to be waited for */
    /* read ends, to be closed; they end when the child has ended */
    int progress_fd, output_fd;
} train_child;

/* train_child_start runs the command line (its first word is the program). Does not block. */
err_code train_child_start(train_child *out, char *const *argv, err *e) ERR_CHECKED;

#endif
