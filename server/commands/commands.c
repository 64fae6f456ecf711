/* SPDX-License-Identifier: Apache-2.0 */
#include "server/commands/commands.h"

/* One command in each line, to avoid merge conflicts. */
/* clang-format off */
const command *const commands[] = {
    &cmd_serve,
    &cmd_demo,
    &cmd_import,
    &cmd_encode,
    &cmd_train,
    &cmd_tune,
    &cmd_eval,
    &cmd_export,
    &cmd_generations,
    &cmd_check,
    &cmd_snapshot,
    &cmd_migrate,
#ifdef STAIR_CLUSTER
    &cmd_cluster,
#endif
    &cmd_ping,
    &cmd_key,
    NULL,
};
/* clang-format on */
