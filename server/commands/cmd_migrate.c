/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair migrate: upgrade a store to the format of this binary.
 *
 * By hand and never by serving: before it, copy the folder; after it, older binaries refuse the
 * store.
 */
#include <stdio.h>

#include "server/cli/command.h"
#include "storage/env/store.h"
#include "storage/maintenance/migrate.h"

typedef struct migrate_arguments {
    const char *store;
    bool json;
} migrate_arguments;

static const option table[] = {OPTION_STORE(migrate_arguments), OPTION_JSON(migrate_arguments),
                               OPTION_END};

static err_code run(const command_call *call, err *e)
{
    const migrate_arguments *a = call->options;
    uint32_t from = 0;
    err_code rc = migrate_store(a->store, &from, e);
    if (rc != ERR_OK) {
        return rc;
    }
    if (a->json) {
        printf("{\"from\":%u,\"to\":%d}\n", from, STORE_FORMAT);
    } else if (from == STORE_FORMAT) {
        fprintf(stderr, "the store has format %u already\n", from);
    } else {
        fprintf(stderr, "format %u became format %d\n", from, STORE_FORMAT);
    }
    return ERR_OK;
}

const command cmd_migrate = {.name = "migrate",
                             .summary = "upgrade a store to the present format",
                             .options = table,
                             .options_bytes = sizeof(migrate_arguments),
                             .run = run};
