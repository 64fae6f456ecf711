/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_follow: ends a training when the service that started it has gone.
 *
 * A killed service cannot tell its child anything, but its end of the progress pipe closes.
 * PR_SET_PDEATHSIG would not work: it reacts to the end of the thread that spawned the child, not
 * of the process.
 */
#ifndef SERVER_TRAIN_FOLLOW_H
#define SERVER_TRAIN_FOLLOW_H

#include "core/common/err.h"

/* train_follow starts a thread that interrupts this process like SIGTERM when nobody reads
 * `progress_fd` any more, and kills it some seconds later if it still runs. -1 does nothing. */
err_code train_follow(int progress_fd, err *e) ERR_CHECKED;

#endif
