/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair snapshot: makes a consistent, compacted copy of a store, live or not.
 *
 * To restore, start a server on the copy, or on a copy of it: its first owner gives it a lineage of
 * its own.
 */
#include <stdio.h>

#include "server/commands/commands.h"
#include "server/telemetry/clock.h"
#include "storage/maintenance/recover.h"
#include "storage/maintenance/snapshot.h"

typedef struct snapshot_arguments {
    const char *store;
    const char *to;
    bool json;
} snapshot_arguments;

static const option table[] = {
    OPTION_STORE(snapshot_arguments),
    {.name = "to",
     .key = "snapshot-to",
     OPTION_FIELD(snapshot_arguments, to, OPTION_TEXT),
     .required = true,
     .value = "DIR",
     .help = "folder of the copy; must not exist, its parent must"},
    OPTION_JSON(snapshot_arguments),
    OPTION_END,
};

static err_code run(const command_call *call, err *e)
{
    const snapshot_arguments *a = call->options;
    store *s = NULL;
    uint64_t bytes = 0, seq = 0;
    store_options how = {.mode = STORE_READ, .now = clock_now()};
    err_code code = recover_open(&s, a->store, &how, e);
    if (code == ERR_OK) {
        code = snapshot_write(s, a->to, interrupt_requested, NULL, &bytes, &seq, e);
    }
    store_close(s);
    if (code == ERR_OK && a->json) {
        printf("{\"bytes\":%llu,\"seq\":%llu}\n", (unsigned long long)bytes,
               (unsigned long long)seq);
    } else if (code == ERR_OK) {
        printf("%s: %.1f MiB, as of write %llu\n", a->to, (double)bytes / (1024 * 1024),
               (unsigned long long)seq);
    }
    return code;
}

const command cmd_snapshot = {.name = "snapshot",
                              .summary =
                                  "write a consistent copy of a store, even while it is served",
                              .options = table,
                              .options_bytes = sizeof(snapshot_arguments),
                              .run = run};
