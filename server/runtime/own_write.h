/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_write: a write by the service itself, submitted like any other and waited for.
 *
 * Threading: any thread except the writer's, which must be running.
 */
#ifndef SERVER_OWN_WRITE_H
#define SERVER_OWN_WRITE_H

#include "core/common/err.h"
#include "core/serve/state/base.h"
#include "server/runtime/writer.h"

/* own_write submits the op and waits for its outcome. `b` is for an activation and may be NULL; it
 * is taken over, also on failure. ERR_UNAVAILABLE: the writer's queue is full. */
err_code own_write(writer *w, op *o, base *b, err *e) ERR_CHECKED;

#endif
