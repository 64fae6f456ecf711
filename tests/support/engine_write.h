/* SPDX-License-Identifier: Apache-2.0 */
/* engine_write: a write through an engine for tests, submitted like a request's and waited for. */
#ifndef TESTS_ENGINE_WRITE_H
#define TESTS_ENGINE_WRITE_H

#include "server/runtime/engine.h"

/* engine_write submits the op, waits for its outcome and frees the op. *seq is the result's and may
 * be NULL. It waits while the queue is full. ERR_UNAVAILABLE: the engine has stopped. Call it from
 * any thread except the writer's. */
err_code engine_write(engine *g, op *o, uint64_t *seq);

#endif
