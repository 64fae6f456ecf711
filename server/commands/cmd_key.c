/* SPDX-License-Identifier: Apache-2.0 */
/* stair key new: makes a key, prints it once and stores its hash. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/commands/commands.h"
#include "server/http/keys.h"
#include "server/telemetry/clock.h"

typedef struct key_options {
    const char *keys;
    const char *name;
    int role;
    bool json;
} key_options;

static const option table[] = {
    {.name = "keys",
     OPTION_FIELD(key_options, keys, OPTION_TEXT),
     .required = true,
     .value = "FILE",
     .help = "file that the key's name, role and SHA-256 are appended to"},
    {.name = "role",
     .key = "key-role",
     OPTION_FIELD(key_options, role, OPTION_CHOICE),
     .choices = "read|write|admin",
     .required = true,
     .help = "what the key may do; each role includes the ones before it"},
    {.name = "name",
     .key = "key-name",
     OPTION_FIELD(key_options, name, OPTION_TEXT),
     .value = "NAME",
     .help = "name of the key in the file; default: made from role and time"},
    OPTION_JSON(key_options),
    OPTION_END,
};

static err_code run(const command_call *call, err *e)
{
    const key_options *o = call->options;
    if (call->values->rest_count != 1 || strcmp(call->values->rest[0], "new") != 0) {
        return command_usage(call, e, "expected the word new: stair key new --role R --keys FILE");
    }
    if (o->name != NULL && !key_name_valid(o->name)) {
        return command_usage(call, e,
                             "--name: expected 1 to %d of A-Z a-z 0-9 . _ -, not \"%.80s\"",
                             KEY_NAME_MAX, o->name);
    }
    api_role role = (api_role)(API_READ + o->role);
    char made[KEY_NAME_MAX];
    const char *name = o->name;
    if (name == NULL) {
        long long now = clock_now_us();
        snprintf(made, sizeof made, "%s-%lld-%06lld", api_role_name(role), now / 1000000,
                 now % 1000000);
        name = made;
    }
    char key[KEY_TEXT_MAX];
    err_code code = key_make(o->keys, name, role, key, e);
    if (code != ERR_OK) {
        return code;
    }
    if (o->json) {
        printf("{\"name\":\"%s\",\"role\":\"%s\",\"key\":\"%s\"}\n", name, api_role_name(role),
               key);
    } else {
        printf("%s\n", key);
        fprintf(stderr,
                "key %s with role %s added to %s; it is shown only now. A running service reads it "
                "on SIGHUP.\n",
                name, api_role_name(role), o->keys);
    }
    return ERR_OK;
}

const command cmd_key = {
    .name = "key",
    .summary = "create an API key: stair key new --role read|write|admin --keys FILE",
    .usage = "new",
    .options = table,
    .options_bytes = sizeof(key_options),
    .run = run,
};
