/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: compares the configuration that `stair serve` would have on this machine with what the
 * store needs and what the machine provides.
 *
 * Every comparison is one line. A warning says what to do.
 */
#ifndef SERVER_EXPLAIN_H
#define SERVER_EXPLAIN_H

#include <stdbool.h>

#include "server/checkup/footprint.h"
#include "server/checkup/machine.h"
#include "server/cli/serve_options.h"
#include "storage/env/store.h"

typedef struct explain_to {
    void (*line)(void *ctx, bool warning, const char *text);
    void *ctx;
} explain_to;

/* explain_service reads the configuration like `stair serve --config file`; NULL means without a
 * file, whatever the environment says. It reports the settings that differ from their defaults,
 * with their sources, and then compares. Faults of the configuration are warnings too. */
void explain_service(const explain_to *to, store *s, const char *file);

/* explain_machine makes the comparisons alone, for any machine, configuration and store. */
typedef struct explain_store {
    store_info info;
    footprint memory;
} explain_store;
void explain_machine(const explain_to *to, const machine *m, const serve_options *o,
                     const explain_store *s);

#endif
