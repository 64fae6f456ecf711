/* SPDX-License-Identifier: Apache-2.0 */
/* engine_write: submits a write to an engine like a request would, and waits for the outcome. For
 * tests. */
#ifndef TESTS_ENGINE_WRITE_H
#define TESTS_ENGINE_WRITE_H

#include "server/runtime/engine.h"

/* engine_write submits the op, waits for its outcome and frees the op. It writes the result's seq
 * to *seq, unless `seq` is NULL. It waits while the queue is full. ERR_UNAVAILABLE: the engine has
 * stopped. Call it from any thread except the writer's. */
err_code engine_write(engine *g, op *o, uint64_t *seq);

#endif
