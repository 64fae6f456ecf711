/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_argv: turns what POST /model/train asks for into the command line of the child, or refuses
 * it.
 *
 * There is only one list of options and ranges, that of `stair train`. A request is checked by
 * doing what the child will do: options_read over the same arguments and environment, then
 * train_request_make. So the child does not refuse what was accepted here, and every fault has the
 * text of the command line, at the pointer of the body's member.
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

/* A command line, ended by NULL; the texts live in `memory`. */
typedef struct train_argv {
    char *at[TRAIN_ORDER_ARGUMENTS_MAX + 1];
    size_t count;
    arena memory;
} train_argv;

typedef struct train_ask {
    const char *program;
    store *store; /* its modalities are those that neighbours may name; its quota is the child's */
    unsigned threads; /* unless the caller says; 0: the child decides */
    const api_train_option *options;
    size_t count;
    json_report report; /* told of every wrong option, not only the first */
    void *report_ctx;
} train_ask;

/* train_argv_make checks and builds. ERR_INVALID when options are wrong, all reported;
 * ERR_UNAVAILABLE when it is this process' environment or configuration file that is, and the child
 * would refuse to start. Free with train_argv_fini, also after a failure. */
err_code train_argv_make(train_argv *out, const train_ask *ask, err *e) ERR_CHECKED;
void train_argv_fini(train_argv *argv);

#endif
