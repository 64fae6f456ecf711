/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_child: runs `stair train` as a child process, for POST /model/train.
 *
 * The child is spawned, because a process with threads and a memory map must not fork. It runs at
 * low priority and has two pipes: one for the lines of --progress-fd, and one for everything that
 * it prints.
 *
 * Threading: one thread at a time for each struct.
 */
#ifndef SERVER_TRAIN_CHILD_H
#define SERVER_TRAIN_CHILD_H

#include <sys/types.h>

#include "core/common/err.h"

enum { TRAIN_CHILD_PROGRESS_FD = 3 }; /* in the child, the descriptor for --progress-fd */

typedef struct train_child {
    pid_t pid; /* process number; the caller must wait for the process */
    /* read ends, to be closed by the caller; they end when the child has ended */
    int progress_fd, output_fd;
} train_child;

/* train_child_start runs the command line, whose first word is the program. It does not block. */
err_code train_child_start(train_child *out, char *const *argv, err *e) ERR_CHECKED;

#endif
