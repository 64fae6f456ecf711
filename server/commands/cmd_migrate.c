/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair migrate: upgrades a store to the format of this binary.
 *
 * An operator runs it; serving never migrates. Copy the folder before: afterwards older binaries
 * refuse the store.
 */
#include <stdio.h>

#include "server/commands/commands.h"
#include "storage/env/store.h"
#include "storage/maintenance/migrate.h"

typedef struct migrate_arguments {
    const char *store;
    bool json;
} migrate_arguments;

static const option table[] = {
    OPTION_STORE(migrate_arguments),
    OPTION_JSON(migrate_arguments),
    OPTION_END,
};

static err_code run(const command_call *call, err *e)
{
    const migrate_arguments *a = call->options;
    migrate_report report;
    err_code code = migrate_store(a->store, &report, e);
    if (code != ERR_OK) {
        return code;
    }
    if (a->json) {
        printf("{\"from\":%u,\"to\":%d,\"dropped\":%llu}\n", report.from, STORE_FORMAT,
               (unsigned long long)report.dropped);
    } else if (report.from == STORE_FORMAT) {
        printf("the store has the current format %u already\n", report.from);
    } else {
        printf("format %u became format %d\n", report.from, STORE_FORMAT);
    }
    if (!a->json && report.dropped > 0) {
        printf("%llu damaged records of Idempotency-Keys, written by an older version of stair, "
               "were dropped\n",
               (unsigned long long)report.dropped);
    }
    return ERR_OK;
}

const command cmd_migrate = {.name = "migrate",
                             .summary = "upgrade a store to the current format",
                             .options = table,
                             .options_bytes = sizeof(migrate_arguments),
                             .run = run};
