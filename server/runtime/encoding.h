/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoding: the service's thread that has an encoder compute vectors of items' texts.
 *
 * It is not part of the write path. An item is committed as it is, its row is noted after the
 * commit, and the vector comes in an op of its own. If the encoder is slow, wrong or gone, items
 * wait and are counted; reads and writes are not affected. After a restart, a scan of the store
 * finds the waiting items.
 *
 * Of the nodes that share a log, only the holder of the lease has items encoded. The others note
 * nothing, and scan the store when their turn comes.
 *
 * Threading: all functions are thread-safe, except encoding_stop and encoding_free.
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

/* encoding_new declares the metrics. encoding_start starts the thread. */
err_code encoding_new(encoding **out, store *s, const encoder_options *o, metrics *m,
                      err *e) ERR_CHECKED;
/* Whether it is this process's turn; called once a second. NULL: always. */
typedef struct encoding_turn {
    bool (*mine)(void *ctx);
    void *ctx;
} encoding_turn;
err_code encoding_start(encoding *x, writer *w, const encoding_turn *turn, err *e) ERR_CHECKED;

/* encoding_changed notes the items whose texts a committed op has changed. It is
 * writer_options.changed. */
void encoding_changed(void *ctx, const change_list *changes);

void encoding_tell(encoding *x, encode_status *out);

/* encoding_ask is encode_asks_submit. */
bool encoding_ask(encoding *x, encode_ask *ask);

/* encoding_end_asks ends the running asks without a vector and accepts no more, because the service
 * stops. Call it from the thread that calls encoding_stop. It accepts NULL. */
void encoding_end_asks(encoding *x);

/* encoding_stop drops running calls, ends the asks and joins the threads. Call it before
 * writer_stop. Both functions accept NULL. */
void encoding_stop(encoding *x);
void encoding_free(encoding *x);

#endif
