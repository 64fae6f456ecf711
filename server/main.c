/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main: finds the command, reads its options, runs it, and turns its error into one line and an
 * exit status. Only this file and bus_error.c end the process.
 */
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "server/cli/command.h"
#include "server/cli/help.h"
#include "server/cli/options.h"
#include "server/cli/result.h"
#include "server/cli/suggest.h"
#include "server/commands/commands.h"
#include "server/telemetry/bus_error.h"
#include "server/telemetry/version.h"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

extern char **environ;

/* environment_known tells whether a command has this setting. It compares names in their
 * environment form, in which a dash and an underscore look alike. */
static bool environment_known(const char *name, size_t length)
{
    static const char config[] = "STAIR_CONFIG";
    if (length == sizeof config - 1 && memcmp(name, config, length) == 0) {
        return true;
    }
    for (const command *const *c = command_list(); *c != NULL; c++) {
        for (const option *o = (*c)->options; o->name != NULL; o++) {
            char expected[128];
            options_environment(o, expected, sizeof expected);
            if (strlen(expected) == length && memcmp(expected, name, length) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void warn_of_unknown_environment(void)
{
    for (char **entry = environ; *entry != NULL; entry++) {
        size_t length = strcspn(*entry, "=");
        if (strncmp(*entry, "STAIR_", 6) == 0 && !environment_known(*entry, length)) {
            fprintf(stderr, "stair: warning: environment variable %.*s is unknown and ignored\n",
                    (int)length, *entry);
        }
    }
}

static int fail(const command *c, const err *e, bool usage)
{
    fprintf(stderr, "stair %s: %s\n", c->name,
            e->text[0] != '\0' ? e->text : err_code_name(e->code));
    if (usage) {
        fprintf(stderr, "stair %s --help lists the options\n", c->name);
        return EXIT_USAGE;
    }
    return e->code == ERR_CANCELLED && interrupt_requested(NULL) ? EXIT_INTERRUPTED : EXIT_FAILURE;
}

static int run(const command *c, int argc, char **argv, const char *program)
{
    err e = ERR_INIT;
    option_values values;
    bool usage = true;
    int status = EXIT_SUCCESS;
    void *options = mem_array(1, c->options_bytes);
    option_input input = {.argc = argc, .argv = argv, .known = command_knows_key};
    if (options == NULL) {
        fprintf(stderr, "stair %s: no memory for options\n", c->name);
        return EXIT_FAILURE;
    }
    err_code code = options_read(&values, c->options, options, &input, &e);
    if (code == ERR_OK && values.help) {
        help_command(c, stdout);
        goto done;
    }
    if (code == ERR_OK && c->usage == NULL && values.rest_count > 0) {
        code = err_set(&e, ERR_INVALID, "unexpected argument \"%.128s\"", values.rest[0]);
    }
    if (code == ERR_OK) {
        command_call call = {options, &values, &usage, program};
        usage = false;
        warn_of_unknown_environment();
        if (!c->own_signals) {
            interrupt_install();
        }
        code = c->run(&call, &e);
    }
    err unwritten = ERR_INIT;
    /* before the error's line, because both may go to the same file */
    err_code flushed = result_flush(&unwritten);
    if (code == ERR_OK && flushed != ERR_OK) {
        code = flushed;
        e = unwritten;
    }
    if (code != ERR_OK) {
        e.code = code;
        status = fail(c, &e, usage);
    }
done:
    options_fini(&values);
    mem_free(options);
    return status;
}

/* spin_briefly restarts the process with a setting for OpenMP that is read before main. Its threads
 * spin for milliseconds at every barrier, which starves a busy machine, and a training runs beside
 * a live service. With eleven busy processes on two cores an epoch took 13 s, and 0.5 to 1 s with
 * some twenty microseconds of spinning before sleep. If the restart fails, the process continues
 * without the setting. */
static void spin_briefly(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") == NULL && getenv("GOMP_SPINCOUNT") == NULL &&
        setenv("GOMP_SPINCOUNT", "1000", 1) == 0) {
        (void)execv("/proc/self/exe", argv);
    }
}

/* A function in .preinit_array runs before the constructors of all libraries. The sanitizers are
 * not ready then, and need more address space than any limit leaves. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void refuse_small_limits(void)
{
    static const char text[] =
        "stair: the limit of address space is too small to load the libraries: "
        "raise it (ulimit -v, ulimit -d)\n";
    if (!blas_can_load()) {
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        _exit(EXIT_FAILURE);
    }
}

__attribute__((section(".preinit_array"),
               used)) static void (*const before_constructors)(void) = refuse_small_limits;
#endif

static int unknown_command(const char *word)
{
    char meant[128];
    suggestion near = {.given = word};
    for (const command *const *c = command_list(); *c != NULL; c++) {
        suggest_offer(&near, (*c)->name);
    }
    suggest_text(&near, "stair ", meant, sizeof meant);
    fprintf(stderr, "stair: unknown command \"%.64s\"%s; stair --help lists them\n", word, meant);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    /* after the restart it would be called "exe" */
    (void)pthread_setname_np(pthread_self(), "stair");
    /* before any thread, because jansson's hash seed is process-wide */
    json_object_seed(0);
    (void)signal(SIGPIPE, SIG_IGN);
    command_list_set(commands);
    bus_error_install();
    if (argc < 2) {
        help_all(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help_all(stdout);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("stair %s (%s)\n", stair_version, stair_commit);
        return EXIT_SUCCESS;
    }
    if (help_hidden(argv[1], stdout)) {
        return EXIT_SUCCESS;
    }
    for (const command *const *c = command_list(); *c != NULL; c++) {
        if (strcmp(argv[1], (*c)->name) == 0) {
            if ((*c)->parallel) {
                spin_briefly(argv);
            }
            return run(*c, argc - 2, argv + 2, argv[0]);
        }
    }
    return unknown_command(argv[1]);
}
