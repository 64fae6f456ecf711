#include "server/train_run.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/mem.h"
#include "server/command.h"
#include "server/log.h"

enum {
    ARGUMENTS_MAX = 80,
    ARGUMENT_BYTES_MAX = 256 * 1024,
    LINE_BYTES_MAX = 1024,
    PROGRESS_FD = 3,
    NICENESS = 10,
    STOP_SECONDS = 4,
};

extern char **environ;

/* Text that arrives in pieces, taken line by line; what is too long for a line is cut. */
typedef struct lines {
    int fd;
    size_t used;
    char text[LINE_BYTES_MAX];
} lines;

struct train_runs {
    train_runs_options options; /* immutable */
    char program[512];
    metric_series *running, *started, *failures;
    pthread_mutex_t mutex;
    /* guarded by mutex */
    api_train_status status;
    pthread_t thread;
    bool thread_made, stopping, cancelled;
    pid_t child; /* 0: none */
    /* the watching thread alone */
    lines progress, errors;
    char last_error[LINE_BYTES_MAX];
};

static const metric_info info_running = {.name = "stair_train_running",
                                         .help =
                                             "1 while a training runs, by whomever it was started.",
                                         .kind = METRIC_GAUGE};
static const metric_info info_started = {.name = "stair_train_started_total",
                                         .help =
                                             "Trainings that were started by POST /model/train.",
                                         .kind = METRIC_COUNTER};
static const metric_info info_failures = {.name = "stair_train_failures_total",
                                          .help = "Trainings that were started so and failed.",
                                          .kind = METRIC_COUNTER};

static const option *train_table(void)
{
    for (const command *const *c = commands; *c != NULL; c++) {
        if (strcmp((*c)->name, "train") == 0) {
            return (*c)->options;
        }
    }
    return NULL;
}

/* --- the arguments ------------------------------------------------------------------------ */

typedef struct arguments {
    char *at[ARGUMENTS_MAX + 1];
    size_t count;
    arena memory;
} arguments;

static err_code push(arguments *a, const char *text, err *e)
{
    char *copy = arena_copy(&a->memory, text, strlen(text) + 1);
    if (copy == NULL || a->count == ARGUMENTS_MAX) {
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

static bool one_option(arguments *a, const option *table, void *scratch,
                       const api_train_option *given, json_report report, void *report_ctx)
{
    err why = ERR_INIT;
    char flag[LINE_BYTES_MAX];
    char *name = arena_copy(&a->memory, given->name.at, given->name.length + 1);
    char *value = arena_copy(&a->memory, given->value.at, given->value.length + 1);
    if (name == NULL || value == NULL) {
        report(report_ctx, given->pointer, "the options are too long");
        return false;
    }
    name[given->name.length] = '\0';
    value[given->value.length] = '\0';
    const option *entry = is_ours(name) ? NULL : options_find(table, name);
    if (entry == NULL) {
        report(report_ctx, given->pointer, "no such training option");
        return false;
    }
    err_code rc = options_set(entry, scratch, value, entry->name, &a->memory, &why);
    if (rc == ERR_OK) {
        int length = snprintf(flag, sizeof flag, "--%s=%s", entry->name, value);
        rc = length < (int)sizeof flag ? push(a, flag, &why)
                                       : err_set(&why, ERR_TOO_LARGE, "the value is too long");
    }
    if (rc != ERR_OK) {
        report(report_ctx, given->pointer, why.text);
    }
    return rc == ERR_OK;
}

static bool was_given(const api_train_option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(options[i].name, slice_of(name))) {
            return true;
        }
    }
    return false;
}

static err_code build_arguments(const train_runs *t, arguments *a, const option *table,
                                const api_train_option *options, size_t count, json_report report,
                                void *report_ctx, err *e)
{
    char text[64];
    err_code rc = push(a, t->program, e);
    const char *const fixed[] = {"train", "--store", store_dir(t->options.store)};
    for (size_t i = 0; rc == ERR_OK && i < 3; i++) {
        rc = push(a, fixed[i], e);
    }
    if (rc == ERR_OK) {
        snprintf(text, sizeof text, "--progress-fd=%d", PROGRESS_FD);
        rc = push(a, text, e);
    }
    if (rc == ERR_OK && t->options.threads > 0 && !was_given(options, count, "threads")) {
        snprintf(text, sizeof text, "--threads=%u", t->options.threads);
        rc = push(a, text, e);
    }
    if (rc != ERR_OK) {
        return rc;
    }
    /* every wrong option is reported, not only the first */
    size_t bytes = 0;
    for (const option *o = table; o->name != NULL; o++) {
        bytes = o->offset + 64 > bytes ? o->offset + 64 : bytes;
    }
    void *scratch = arena_alloc(&a->memory, bytes, 1);
    if (scratch == NULL) {
        return err_nomem(e, "training options");
    }
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good = one_option(a, table, scratch, &options[i], report, report_ctx) && good;
    }
    return good ? ERR_OK : err_set(e, ERR_INVALID, "some training options are wrong");
}

/* --- watching ----------------------------------------------------------------------------- */

static bool field(const char *line, const char *name, char *out, size_t room)
{
    size_t length = strlen(name);
    for (const char *at = line; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ' ? 1 : 0;
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            size_t end = strcspn(at + length + 1, " ");
            snprintf(out, room, "%.*s", (int)end, at + length + 1);
            return true;
        }
    }
    return false;
}

static void take_progress(train_runs *t, const char *line)
{
    char text[64];
    api_train_status *s = &t->status;
    pthread_mutex_lock(&t->mutex);
    if (field(line, "epoch", text, sizeof text)) {
        s->epoch = (uint32_t)strtoul(text, NULL, 10);
    }
    if (field(line, "epochs", text, sizeof text)) {
        s->epochs = (uint32_t)strtoul(text, NULL, 10);
    }
    if (field(line, "loss", text, sizeof text)) {
        s->loss = strtod(text, NULL);
    }
    if (field(line, "left", text, sizeof text)) {
        s->seconds_left = strtod(text, NULL);
    }
    if (field(line, "metric", text, sizeof text)) {
        snprintf(s->metric, sizeof s->metric, "%.31s", text);
    }
    if (field(line, "value", text, sizeof text)) {
        s->metric_value = strtod(text, NULL);
    }
    if (field(line, "generation", text, sizeof text)) {
        s->generation = (uint32_t)strtoul(text, NULL, 10);
    }
    pthread_mutex_unlock(&t->mutex);
}

static void take_error(train_runs *t, const char *line)
{
    snprintf(t->last_error, sizeof t->last_error, "%s", line);
    log_event(LOG_DEBUG, "train_output", log_text("text", line));
}

/* Reads once; false at the end of the pipe. */
static bool read_lines(train_runs *t, lines *l, void (*take)(train_runs *, const char *))
{
    ssize_t got = read(l->fd, l->text + l->used, sizeof l->text - 1 - l->used);
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    l->used += (size_t)got;
    l->text[l->used] = '\0';
    char *begin = l->text;
    for (char *end = begin; (end = strchr(begin, '\n')) != NULL; begin = end + 1) {
        *end = '\0';
        take(t, begin);
    }
    l->used -= (size_t)(begin - l->text);
    memmove(l->text, begin, l->used);
    if (l->used == sizeof l->text - 1) {
        l->used = 0;
    }
    return true;
}

static void read_until_closed(train_runs *t)
{
    bool open[2] = {true, true};
    while (open[0] || open[1]) {
        struct pollfd fds[2] = {
            {.fd = open[0] ? t->progress.fd : -1, .events = POLLIN},
            {.fd = open[1] ? t->errors.fd : -1, .events = POLLIN},
        };
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (fds[0].revents != 0) {
            open[0] = read_lines(t, &t->progress, take_progress);
        }
        if (fds[1].revents != 0) {
            open[1] = read_lines(t, &t->errors, take_error);
        }
    }
}

static void conclude(train_runs *t, int how)
{
    api_train_status *s = &t->status;
    pthread_mutex_lock(&t->mutex);
    t->child = 0;
    s->ended = clock_now();
    s->seconds_left = NAN;
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) {
        s->state = API_TRAIN_DONE;
    } else if (t->cancelled) {
        s->state = API_TRAIN_CANCELLED;
    } else {
        s->state = API_TRAIN_FAILED;
        if (WIFSIGNALED(how)) {
            snprintf(s->detail, sizeof s->detail, "the training was ended by signal %d",
                     WTERMSIG(how));
        } else {
            snprintf(s->detail, sizeof s->detail, "%.*s", (int)sizeof s->detail - 1, t->last_error);
        }
        metric_count(t->failures, 1);
    }
    api_train_status now = *s;
    pthread_mutex_unlock(&t->mutex);
    log_event(now.state == API_TRAIN_FAILED ? LOG_ERROR : LOG_INFO, "train_ended",
              log_text("state", now.state == API_TRAIN_DONE        ? "done"
                                : now.state == API_TRAIN_CANCELLED ? "cancelled"
                                                                   : "failed"),
              log_int("generation", now.generation), log_text("error", now.detail));
    t->options.ended(t->options.ctx, now.generation);
}

static void *watch_main(void *argument)
{
    train_runs *t = argument;
    int how = 0;
    pthread_setname_np(pthread_self(), "train-watch");
    pthread_mutex_lock(&t->mutex);
    pid_t child = t->child;
    pthread_mutex_unlock(&t->mutex);
    read_until_closed(t);
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
    }
    (void)close(t->progress.fd);
    (void)close(t->errors.fd);
    conclude(t, how);
    return NULL;
}

/* --- starting ----------------------------------------------------------------------------- */

static err_code spawn(train_runs *t, char *const *argv, const int progress[2], const int errors[2],
                      err *e)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    /* dup2 takes the close-on-exec flag off, unless it copies a descriptor onto itself */
    posix_spawn_file_actions_adddup2(&actions, errors[1], 1);
    posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
    posix_spawn_file_actions_adddup2(&actions, progress[1], PROGRESS_FD);
    /* the server's signals are blocked in all its threads; the child must hear them */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int rc = posix_spawn(&t->child, t->program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (rc != 0) {
        t->child = 0;
        return err_set(e, ERR_IO, "the training cannot be started: %s", strerror(rc));
    }
    (void)setpriority(PRIO_PROCESS, (id_t)t->child, NICENESS);
    return ERR_OK;
}

static void close_both(const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

/* With the mutex held. */
static err_code start_child(train_runs *t, char *const *argv, err *e)
{
    int progress[2] = {-1, -1};
    int errors[2] = {-1, -1};
    if (t->thread_made) {
        pthread_join(t->thread, NULL); /* it has ended: the state says so */
        t->thread_made = false;
    }
    if (pipe2(progress, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
        close_both(progress);
        close_both(errors);
        return err_set(e, ERR_IO, "the training cannot be started: %s", strerror(errno));
    }
    err_code rc = ERR_OK;
    if (progress[1] == PROGRESS_FD) {
        int moved = fcntl(progress[1], F_DUPFD_CLOEXEC, PROGRESS_FD + 1);
        (void)close(progress[1]);
        progress[1] = moved;
    }
    t->progress = (lines){.fd = progress[0]};
    t->errors = (lines){.fd = errors[0]};
    t->last_error[0] = '\0';
    t->cancelled = false;
    rc = spawn(t, argv, progress, errors, e);
    (void)close(progress[1]);
    (void)close(errors[1]);
    progress[1] = errors[1] = -1;
    if (rc == ERR_OK && pthread_create(&t->thread, NULL, watch_main, t) != 0) {
        (void)kill(t->child, SIGKILL);
        (void)waitpid(t->child, NULL, 0);
        t->child = 0;
        rc = err_set(e, ERR_IO, "the training cannot be watched");
    }
    if (rc != ERR_OK) {
        close_both(progress);
        close_both(errors);
        return rc;
    }
    t->thread_made = true;
    t->status = (api_train_status){.state = API_TRAIN_RUNNING,
                                   .started = clock_now(),
                                   .loss = NAN,
                                   .seconds_left = NAN,
                                   .metric_value = NAN};
    metric_count(t->started, 1);
    return ERR_OK;
}

err_code train_runs_start(train_runs *t, const api_train_option *options, size_t count,
                          json_report report, void *report_ctx, err *e)
{
    const option *table = train_table();
    arguments a = {.count = 0};
    if (table == NULL) {
        return err_set(e, ERR_UNAVAILABLE, "this build cannot train");
    }
    arena_init(&a.memory, ARGUMENT_BYTES_MAX);
    err_code rc = build_arguments(t, &a, table, options, count, report, report_ctx, e);
    if (rc == ERR_OK) {
        pthread_mutex_lock(&t->mutex);
        if (t->stopping) {
            rc = err_set(e, ERR_UNAVAILABLE, "the service is stopping");
        } else if (t->status.state == API_TRAIN_RUNNING || store_train_running(t->options.store)) {
            rc = err_set(e, ERR_CONFLICT, "a training runs already");
        } else {
            rc = start_child(t, a.at, e);
        }
        pid_t child = t->child;
        pthread_mutex_unlock(&t->mutex);
        if (rc == ERR_OK) {
            log_event(LOG_INFO, "train_started", log_int("pid", child));
        }
    }
    arena_fini(&a.memory);
    return rc;
}

void train_runs_status(train_runs *t, api_train_status *out)
{
    pthread_mutex_lock(&t->mutex);
    *out = t->status;
    pthread_mutex_unlock(&t->mutex);
    if (out->state != API_TRAIN_RUNNING && store_train_running(t->options.store)) {
        *out = (api_train_status){
            .state = API_TRAIN_RUNNING, .loss = NAN, .seconds_left = NAN, .metric_value = NAN};
    }
}

err_code train_runs_cancel(train_runs *t, err *e)
{
    err_code rc = ERR_OK;
    pthread_mutex_lock(&t->mutex);
    if (t->child == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "no training runs that was started by this service");
    } else {
        t->cancelled = true;
        (void)kill(t->child, SIGTERM);
    }
    pthread_mutex_unlock(&t->mutex);
    return rc;
}

/* --- life --------------------------------------------------------------------------------- */

static void collect(void *ctx)
{
    train_runs *t = ctx;
    metric_set(t->running, store_train_running(t->options.store) ? 1 : 0);
}

err_code train_runs_new(train_runs **out, const train_runs_options *options, err *e)
{
    *out = NULL;
    train_runs *t = mem_array(1, sizeof *t);
    if (t == NULL) {
        return err_nomem(e, "trainings");
    }
    t->options = *options;
    ssize_t length = readlink("/proc/self/exe", t->program, sizeof t->program - 1);
    err_code rc = length > 0 ? ERR_OK : err_set(e, ERR_IO, "the path of this program is not known");
    const metric_plain all[] = {
        {&info_running, &t->running},
        {&info_started, &t->started},
        {&info_failures, &t->failures},
    };
    if (rc == ERR_OK) {
        rc = metrics_add_plain(options->metrics, all, sizeof all / sizeof all[0], e);
    }
    if (rc == ERR_OK) {
        rc = metrics_on_scrape(options->metrics, collect, t, e);
    }
    if (rc != ERR_OK) {
        mem_free(t);
        return rc;
    }
    pthread_mutex_init(&t->mutex, NULL);
    *out = t;
    return ERR_OK;
}

void train_runs_stop(train_runs *t)
{
    if (t == NULL) {
        return;
    }
    pthread_mutex_lock(&t->mutex);
    t->stopping = true;
    bool made = t->thread_made;
    t->thread_made = false;
    if (t->child != 0) {
        t->cancelled = true;
        (void)kill(t->child, SIGTERM);
    }
    pthread_mutex_unlock(&t->mutex);
    if (!made) {
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    if (pthread_timedjoin_np(t->thread, NULL, &until) != 0) {
        pthread_mutex_lock(&t->mutex);
        if (t->child != 0) {
            (void)kill(t->child, SIGKILL);
        }
        pthread_mutex_unlock(&t->mutex);
        pthread_join(t->thread, NULL);
    }
}

void train_runs_free(train_runs *t)
{
    if (t != NULL) {
        train_runs_stop(t);
        pthread_mutex_destroy(&t->mutex);
        mem_free(t);
    }
}
