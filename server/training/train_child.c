#include "server/training/train_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/options/command.h"

enum {
    ARGUMENT_BYTES_MAX = 256 * 1024,
    FLAG_BYTES_MAX = 1024,
    PROGRESS_FD = 3,
    NICENESS = 10,
};

extern char **environ;

static const option *train_table(void)
{
    for (const command *const *c = commands; *c != NULL; c++) {
        if (strcmp((*c)->name, "train") == 0) {
            return (*c)->options;
        }
    }
    return NULL;
}

static err_code push(train_child_arguments *a, const char *text, err *e)
{
    char *copy = arena_copy(&a->memory, text, strlen(text) + 1);
    if (copy == NULL || a->count == TRAIN_CHILD_ARGUMENTS_MAX) {
        return err_set(e, ERR_TOO_LARGE, "too many or too long training options");
    }
    a->at[a->count++] = copy;
    return ERR_OK;
}

/* What the process decides, not the caller. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"store", "json", "progress-fd", "config"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Sets the option in `scratch`, as the child will in its own: so a wrong value is found here. */
static err_code push_option(train_child_arguments *a, const option *table, void *scratch,
                            const api_train_option *given, err *why)
{
    char flag[FLAG_BYTES_MAX];
    char *name = arena_copy(&a->memory, given->name.at, given->name.length + 1);
    char *value = arena_copy(&a->memory, given->value.at, given->value.length + 1);
    if (name == NULL || value == NULL) {
        return err_set(why, ERR_TOO_LARGE, "the options are too long");
    }
    name[given->name.length] = '\0';
    value[given->value.length] = '\0';
    const option *entry = is_ours(name) ? NULL : options_find(table, name);
    if (entry == NULL) {
        return err_set(why, ERR_INVALID, "no such training option");
    }
    err_code rc = options_set(entry, scratch, value, entry->name, &a->memory, why);
    if (rc != ERR_OK) {
        return rc;
    }
    int length = snprintf(flag, sizeof flag, "--%s=%s", entry->name, value);
    return length < (int)sizeof flag ? push(a, flag, why)
                                     : err_set(why, ERR_TOO_LARGE, "the value is too long");
}

static bool was_given(const train_child_ask *ask, const char *name)
{
    for (size_t i = 0; i < ask->count; i++) {
        if (slice_equal(ask->options[i].name, slice_of(name))) {
            return true;
        }
    }
    return false;
}

/* What every child is told, whatever the caller asks for. */
static err_code push_fixed(train_child_arguments *a, const train_child_ask *ask, err *e)
{
    char text[64];
    const char *const fixed[] = {ask->program, "train", "--store", ask->store_dir};
    err_code rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < sizeof fixed / sizeof fixed[0]; i++) {
        rc = push(a, fixed[i], e);
    }
    if (rc == ERR_OK) {
        snprintf(text, sizeof text, "--progress-fd=%d", PROGRESS_FD);
        rc = push(a, text, e);
    }
    if (rc == ERR_OK && ask->threads > 0 && !was_given(ask, "threads")) {
        snprintf(text, sizeof text, "--threads=%u", ask->threads);
        rc = push(a, text, e);
    }
    return rc;
}

err_code train_child_arguments_build(train_child_arguments *out, const train_child_ask *ask, err *e)
{
    const option *table = train_table();
    *out = (train_child_arguments){.count = 0};
    arena_init(&out->memory, ARGUMENT_BYTES_MAX);
    if (table == NULL) {
        return err_set(e, ERR_UNAVAILABLE, "this build cannot train");
    }
    err_code rc = push_fixed(out, ask, e);
    if (rc != ERR_OK) {
        return rc;
    }
    size_t bytes = 0;
    for (const option *o = table; o->name != NULL; o++) {
        bytes = o->offset + 64 > bytes ? o->offset + 64 : bytes;
    }
    void *scratch = arena_alloc(&out->memory, bytes, 1);
    if (scratch == NULL) {
        return err_nomem(e, "training options");
    }
    for (size_t i = 0; i < ask->count; i++) {
        err why = ERR_INIT;
        if (push_option(out, table, scratch, &ask->options[i], &why) != ERR_OK) {
            ask->report(ask->report_ctx, ask->options[i].pointer, why.text);
            rc = ERR_INVALID;
        }
    }
    return rc == ERR_OK ? ERR_OK : err_set(e, rc, "some training options are wrong");
}

void train_child_arguments_fini(train_child_arguments *a)
{
    arena_fini(&a->memory);
}

static err_code spawn(pid_t *out, char *const *argv, int progress_fd, int output_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    /* dup2 takes the close-on-exec flag off, unless it copies a descriptor onto itself */
    posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
    posix_spawn_file_actions_adddup2(&actions, output_fd, 2);
    posix_spawn_file_actions_adddup2(&actions, progress_fd, PROGRESS_FD);
    /* the server's signals are blocked in all its threads; the child must hear them */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int rc = posix_spawn(out, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    errno = rc;
    return rc == 0 ? ERR_OK : ERR_IO;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

err_code train_child_start(train_child *out, char *const *argv, err *e)
{
    enum { PROGRESS = 0, OUTPUT = 2 };
    int fds[4] = {-1, -1, -1, -1};
    err_code rc = ERR_IO;
    *out = (train_child){.pid = 0, .progress_fd = -1, .output_fd = -1};
    if (pipe2(fds + PROGRESS, O_CLOEXEC) != 0 || pipe2(fds + OUTPUT, O_CLOEXEC) != 0) {
        goto done;
    }
    if (fds[PROGRESS + 1] == PROGRESS_FD) {
        fds[PROGRESS + 1] = fcntl(PROGRESS_FD, F_DUPFD_CLOEXEC, PROGRESS_FD + 1);
        (void)close(PROGRESS_FD);
        if (fds[PROGRESS + 1] < 0) {
            goto done;
        }
    }
    rc = spawn(&out->pid, argv, fds[PROGRESS + 1], fds[OUTPUT + 1]);
    if (rc == ERR_OK) {
        (void)setpriority(PRIO_PROCESS, (id_t)out->pid, NICENESS);
        out->progress_fd = fds[PROGRESS];
        out->output_fd = fds[OUTPUT];
        fds[PROGRESS] = fds[OUTPUT] = -1;
    }

done:
    if (rc != ERR_OK) {
        (void)err_set(e, rc, "the training cannot be started: %s", strerror(errno));
    }
    close_all(fds, sizeof fds / sizeof fds[0]);
    return rc;
}
