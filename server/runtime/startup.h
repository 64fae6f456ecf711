/* SPDX-License-Identifier: Apache-2.0 */
/*
 * startup: loads the store's content into the live tables, and the model that it names.
 *
 * It uses two threads, because a large shop's records and its vectors take about equally long and
 * are independent. The calling thread fills the live tables; another reads the generation. What
 * connects them (later items, the activation) follows after both.
 */
#ifndef SERVER_STARTUP_H
#define SERVER_STARTUP_H

#include "core/common/err.h"
#include "core/serve/update/live.h"
#include "storage/env/store.h"

/* startup_load fills the new `l` and activates the stored generation, building its index with
 * `threads` threads. *info tells the state of the store that was loaded. A generation that cannot
 * be read is logged and left out: lists without a model are correct, though less good, and another
 * generation can be activated. It blocks until both threads are done. Nobody may write to the store
 * meanwhile. */
err_code startup_load(store *s, live *l, int threads, store_info *info, err *e) ERR_CHECKED;

#endif
