/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_argv: turns a request of POST /model/train into the child's command line, or refuses it.
 *
 * There is only one list of options and ranges, that of `stair train`. A request is checked by the
 * same steps that the child runs: options_read over the same arguments and environment, then
 * train_request_make. So the child does not refuse what was accepted here, and every fault has the
 * text of the command line, at the JSON pointer of the body's member.
 *
 * Threading: one thread at a time for each struct.
 */
#ifndef SERVER_TRAIN_ORDER_H
#define SERVER_TRAIN_ORDER_H

#include <stddef.h>

#include "api/api.h"
#include "core/common/arena.h"
#include "core/common/err.h"
#include "storage/env/store.h"

enum { TRAIN_ORDER_ARGUMENTS_MAX = 80 };

/* A NULL-terminated command line. Its texts are in `memory`. */
typedef struct train_argv {
    char *at[TRAIN_ORDER_ARGUMENTS_MAX + 1];
    size_t count;
    arena memory;
} train_argv;

typedef struct train_ask {
    const char *program;
    store *store; /* neighbours may name its modalities; the child uses its quota */
    /* Threads of the child if the request does not set them; 0: the child decides. */
    unsigned threads;
    const api_train_option *options;
    size_t count;
    json_report report; /* receives every wrong option, not only the first */
    void *report_ctx;
} train_ask;

/* train_argv_make checks the request and builds the command line. ERR_INVALID: options are wrong;
 * all are reported. ERR_UNAVAILABLE: this process's environment or configuration file is wrong, so
 * the child would refuse to start. Call train_argv_fini also after a failure. */
err_code train_argv_make(train_argv *out, const train_ask *ask, err *e) ERR_CHECKED;
void train_argv_fini(train_argv *argv);

#endif
