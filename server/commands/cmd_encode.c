/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair encode: has an encoder compute the missing vectors of items' texts.
 */
#include <stdio.h>

#include "server/commands/commands.h"
#include "server/commands/encode_story.h"
#include "server/telemetry/clock.h"
#include "storage/maintenance/recover.h"

typedef struct encode_arguments {
    const char *store;
    encoder_options encoder;
    bool replace, json;
    uint64_t quota;
} encode_arguments;

static const option table[] = {
    OPTION_STORE(encode_arguments),
#define OPTION(...) OPTION_ENTRY(encode_arguments, encoder., __VA_ARGS__)
#include "server/cli/encoder_options.def"
    {.name = "replace",
     OPTION_FIELD(encode_arguments, replace, OPTION_BOOL),
     .help = "encode also what an encoder has encoded before, for a change of model; "
             "vectors that clients gave stay, and the command fails if the new vectors "
             "have another width than these; to continue an interrupted run, leave it out"},
    OPTION_QUOTA(encode_arguments),
    OPTION_JSON(encode_arguments),
    OPTION_END,
};

static err_code run(const command_call *call, err *e)
{
    const encode_arguments *a = call->options;
    encode_report report;
    store *s = NULL;
    store_options how = {.mode = STORE_OWNER, .quota_bytes = a->quota, .now = clock_now()};
    if (a->encoder.url == NULL) {
        return command_usage(call, e, "--encoder-url is missing");
    }
    err_code code = encoder_options_check(&a->encoder, e);
    *call->usage = code == ERR_INVALID;
    if (code == ERR_OK) {
        code = recover_open(&s, a->store, &how, e);
    }
    if (code == ERR_OK) {
        code = encode_story_run(s, &a->encoder, a->replace, a->json, &report, e);
    }
    store_close(s);
    if (code == ERR_OK && a->json) {
        printf("{\"encoded\":%llu,\"refused\":%llu,\"failures\":%llu,\"pending\":%llu}\n",
               (unsigned long long)report.encoded, (unsigned long long)report.refused,
               (unsigned long long)report.failures, (unsigned long long)report.pending);
    }
    return code;
}

const command cmd_encode = {.name = "encode",
                            .summary = "turn items' texts into vectors with an external encoder",
                            .options = table,
                            .options_bytes = sizeof(encode_arguments),
                            .run = run};
