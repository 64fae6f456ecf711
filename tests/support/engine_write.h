/* SPDX-License-Identifier: Apache-2.0 */
/* A write of a test through an engine, as a request makes it: submitted, waited for. */
#ifndef TESTS_ENGINE_WRITE_H
#define TESTS_ENGINE_WRITE_H

#include "server/runtime/engine.h"

/* engine_write submits the op, waits for its outcome and frees the op. *seq (may be NULL) is the
 * result's. Waits while the queue is full; ERR_UNAVAILABLE once the engine stops. From any thread
 * but the writer's. */
err_code engine_write(engine *g, op *o, uint64_t *seq);

#endif
