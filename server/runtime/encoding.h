/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoding: the service's thread that has an encoder make vectors of items' texts.
 *
 * It is beside the write path: an item is committed with what it has, its row is noted after the
 * commit, and the vector comes as an op of its own. When the encoder is slow, wrong or gone, items
 * wait and are counted; reads and writes do not notice. What waited before a restart is found again
 * by looking through the store at the start.
 *
 * Of the nodes that share a log one has the items encoded: the one that keeps house. The others
 * note nothing, and look through the store when it becomes their turn.
 *
 * Threading: all functions are thread-safe, encoding_stop and encoding_free excepted.
 */
#ifndef SERVER_ENCODING_H
#define SERVER_ENCODING_H

#include "core/common/change.h"
#include "core/common/err.h"
#include "server/encode/encode_asks.h"
#include "server/encode/encode_run.h"
#include "server/runtime/writer.h"
#include "server/telemetry/metrics.h"

typedef struct encoding encoding;

/* encoding_new declares the metrics. The thread begins with encoding_start. */
err_code encoding_new(encoding **out, store *s, const encoder_options *o, metrics *m,
                      err *e) ERR_CHECKED;
/* Whether it is this process's turn, asked about once a second; NULL: always. */
typedef struct encoding_turn {
    bool (*mine)(void *ctx);
    void *ctx;
} encoding_turn;
err_code encoding_start(encoding *x, writer *w, const encoding_turn *turn, err *e) ERR_CHECKED;

/* encoding_changed notes the items whose texts a committed op has changed: writer_options.changed.
 */
void encoding_changed(void *ctx, const change_list *changes);

void encoding_tell(encoding *x, encode_status *out);

/* encoding_ask is encode_asks_submit. */
bool encoding_ask(encoding *x, encode_ask *ask);

/* encoding_end_asks ends the asks under way without a vector, and takes no more: the service stops.
 * Accepts NULL; from the thread that calls encoding_stop. */
void encoding_end_asks(encoding *x);

/* encoding_stop drops calls under way, ends the asks and joins the threads; before writer_stop.
 * Both accept NULL.
 */
void encoding_stop(encoding *x);
void encoding_free(encoding *x);

#endif
