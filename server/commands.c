/* The commands of the binary, in the order in which --help lists them. */
#include "server/command.h"

const command *const commands[] = {
    &cmd_demo,
    &cmd_import,
    &cmd_export,
    &cmd_generations,
    &cmd_check,
    &cmd_snapshot,
    NULL,
};
