/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/help.h"

#include <string.h>

void help_all(FILE *to)
{
    fputs("stair " STAIR_VERSION ": online recommendations from interactions and features\n\n"
          "usage: stair COMMAND [options]\n\n",
          to);
    for (const command *const *c = command_list(); *c != NULL; c++) {
        fprintf(to, "  %-12s %s\n", (*c)->name, (*c)->summary);
    }
    fputs("\nstair COMMAND --help lists the options of a command; stair --version prints the "
          "version.\n"
          "Every option can also be set by an environment variable (STAIR_LISTEN for --listen) and "
          "by\n"
          "a key of the file that --config FILE names (listen = ...). A flag takes precedence over "
          "the\n"
          "environment, the environment over the file. An empty variable counts as not set.\n"
          "Exit status: 0 done, 1 failed (one line says what), 2 wrong use, 130 interrupted before "
          "the end.\n",
          to);
}

void help_command(const command *c, FILE *to)
{
    fprintf(to, "stair %s: %s\n\nusage: stair %s [options]%s%s\n\n", c->name, c->summary, c->name,
            c->usage != NULL ? " " : "", c->usage != NULL ? c->usage : "");
    options_help(c->options, to);
    fprintf(to,
            "  --config FILE                 read options from a file of \"key = value\" lines\n"
            "                                (default none; STAIR_CONFIG)\n");
}

static const command *configured(void)
{
    for (const command *const *c = command_list(); *c != NULL; c++) {
        if (strcmp((*c)->name, "serve") == 0) {
            return *c;
        }
    }
    return NULL;
}

bool help_hidden(const char *word, FILE *to)
{
    const command *c = configured();
    if (c == NULL) {
        return false;
    }
    if (strcmp(word, "--help-config") == 0) {
        fputs(
            "# stair.conf: settings of `stair serve`, with their defaults. Read by --config FILE.\n"
            "# Environment variables and flags take precedence over this file. API keys are not "
            "in\n"
            "# here but in the file that `keys` names.\n",
            to);
        options_example(c->options, to);
        return true;
    }
    if (strcmp(word, "--help-markdown") == 0) {
        fputs("| key | environment | values | default | what it does |\n"
              "| --- | --- | --- | --- | --- |\n",
              to);
        options_markdown(c->options, to);
        return true;
    }
    return false;
}
