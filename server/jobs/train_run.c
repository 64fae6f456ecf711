/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_run.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "server/cli/command.h"
#include "server/jobs/train_argv.h"
#include "server/jobs/train_child.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "storage/models/generations.h"

enum {
    LINE_BYTES_MAX = 1024,
    STOP_SECONDS = 4,
};

/* Text that arrives in pieces and is processed line by line. Lines that are too long are cut. */
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
    generation_id ready; /* id of the generation that the child wrote */
    bool is_ready;
    pthread_t thread;
    pthread_cond_t settled; /* signalled when `starting` becomes false */
    bool thread_made, stopping, cancelled;
    bool starting; /* one caller is spawning, without the mutex, and owns `thread` meanwhile */
    pid_t child;   /* 0 if none is running */
    /* used by the waiting thread alone */
    lines progress, output;
    char last_line[LINE_BYTES_MAX];
};

static const api_train_status nothing_known = {
    .loss = NAN, .seconds_left = NAN, .metric_value = NAN};

static const metric_info info_running = {.name = "stair_train_running",
                                         .help = "1 while a training runs, whoever started it.",
                                         .kind = METRIC_GAUGE};
static const metric_info info_started = {.name = "stair_train_started_total",
                                         .help = "Trainings started by POST /model/train.",
                                         .kind = METRIC_COUNTER};
static const metric_info info_failures = {
    .name = "stair_train_failures_total",
    .help = "Failed trainings among those started by POST /model/train.",
    .kind = METRIC_COUNTER};

/* --- waiting ------------------------------------------------------------------------------ */

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
    bool ready =
        field(line, "ready", text, sizeof text) && generation_id_parse(slice_of(text), &t->ready);
    t->is_ready = t->is_ready || ready;
    pthread_mutex_unlock(&t->mutex);
    if (ready && t->options.ready != NULL) {
        t->options.ready(t->options.ctx);
    }
}

static void take_output(train_runs *t, const char *line)
{
    snprintf(t->last_line, sizeof t->last_line, "%s", line);
    log_event(LOG_DEBUG, "train_output", log_text("text", line));
}

/* read_lines reads once. It returns false at the end of the pipe. */
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
            {.fd = open[1] ? t->output.fd : -1, .events = POLLIN},
        };
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (fds[0].revents != 0) {
            open[0] = read_lines(t, &t->progress, take_progress);
        }
        if (fds[1].revents != 0) {
            open[1] = read_lines(t, &t->output, take_output);
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
            snprintf(s->detail, sizeof s->detail, "the training was killed by signal %d",
                     WTERMSIG(how));
        } else {
            snprintf(s->detail, sizeof s->detail, "%.*s", (int)sizeof s->detail - 1, t->last_line);
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

static void *wait_main(void *argument)
{
    train_runs *t = argument;
    int how = 0;
    pthread_setname_np(pthread_self(), "train-wait");
    pthread_mutex_lock(&t->mutex);
    pid_t child = t->child;
    pthread_mutex_unlock(&t->mutex);
    read_until_closed(t);
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
    }
    (void)close(t->progress.fd);
    (void)close(t->output.fd);
    conclude(t, how);
    return NULL;
}

/* --- starting ----------------------------------------------------------------------------- */

/* begin_start admits one caller. */
static err_code begin_start(train_runs *t, err *e)
{
    err_code code = ERR_OK;
    pthread_mutex_lock(&t->mutex);
    if (t->stopping) {
        code = err_set(e, ERR_UNAVAILABLE, "the service is stopping");
    } else if (t->starting || t->status.state == API_TRAIN_RUNNING) {
        code = err_set(e, ERR_CONFLICT, "a training runs already");
    } else {
        t->starting = true;
        t->cancelled = false;
    }
    pthread_mutex_unlock(&t->mutex);
    return code;
}

/* end_start publishes the child, or that there is none, and starts the waiting thread. */
static err_code end_start(train_runs *t, const train_child *child, err *e)
{
    bool unwaited = false;
    pthread_mutex_lock(&t->mutex);
    if (child != NULL) {
        t->child = child->pid;
        t->is_ready = false;
        t->status = nothing_known;
        t->status.state = API_TRAIN_RUNNING;
        t->status.started = clock_now();
        unwaited = pthread_create(&t->thread, NULL, wait_main, t) != 0;
        t->thread_made = !unwaited;
    }
    if (unwaited) {
        t->child = 0;
        t->status = nothing_known;
        /* a cancellation was requested meanwhile */
    } else if (child != NULL && (t->cancelled || t->stopping)) {
        t->cancelled = true;
        (void)kill(child->pid, SIGTERM);
    }
    t->starting = false;
    pthread_cond_broadcast(&t->settled);
    pthread_mutex_unlock(&t->mutex);
    return unwaited ? err_set(e, ERR_IO, "waiting for the training failed") : ERR_OK;
}

/* join_last joins the last waiting thread, which has ended or is about to: the state says so. No
 * other caller joins it, because this one takes it off first. */
static void join_last(train_runs *t)
{
    pthread_mutex_lock(&t->mutex);
    bool made = t->thread_made;
    t->thread_made = false;
    pthread_mutex_unlock(&t->mutex);
    if (made) {
        pthread_join(t->thread, NULL);
    }
}

static err_code start_child(train_runs *t, char *const *argv, pid_t *pid, err *e)
{
    train_child child;
    err_code code = begin_start(t, e);
    if (code != ERR_OK) {
        return code;
    }
    join_last(t);
    code = store_train_running(t->options.store)
               ? err_set(e, ERR_CONFLICT, "a training runs already")
               : train_child_start(&child, argv, e);
    if (code != ERR_OK) {
        (void)(end_start(t, NULL, NULL) == ERR_OK);
        return code;
    }
    *pid = child.pid;
    t->progress = (lines){.fd = child.progress_fd};
    t->output = (lines){.fd = child.output_fd};
    t->last_line[0] = '\0';
    code = end_start(t, &child, e);
    if (code != ERR_OK) {
        (void)kill(child.pid, SIGKILL);
        (void)waitpid(child.pid, NULL, 0);
        (void)close(child.progress_fd);
        (void)close(child.output_fd);
        return code;
    }
    metric_count(t->started, 1);
    return ERR_OK;
}

err_code train_runs_start(train_runs *t, const api_train_option *options, size_t count,
                          json_report report, void *report_ctx, err *e)
{
    train_argv argv;
    train_ask ask = {.program = t->program,
                     .store = t->options.store,
                     .threads = t->options.threads,
                     .options = options,
                     .count = count,
                     .report = report,
                     .report_ctx = report_ctx};
    err_code code = train_argv_make(&argv, &ask, e);
    pid_t pid = 0;
    if (code == ERR_OK) {
        code = start_child(t, argv.at, &pid, e);
    }
    if (code == ERR_OK) {
        log_event(LOG_INFO, "train_started", log_int("pid", pid));
    }
    train_argv_fini(&argv);
    return code;
}

/* look_up_number finds the number that the service has given to the child's generation. */
static uint32_t look_up_number(train_runs *t, const generation_id *id)
{
    store_read *r = NULL;
    uint32_t number = 0;
    if (store_read_begin(t->options.store, &r, NULL) == ERR_OK) {
        (void)!generation_number(r, id, &number, NULL);
        store_read_end(r);
    }
    return number;
}

void train_runs_status(train_runs *t, api_train_status *out)
{
    pthread_mutex_lock(&t->mutex);
    *out = t->status;
    bool ready = t->is_ready && out->generation == 0;
    generation_id id = t->ready;
    pthread_mutex_unlock(&t->mutex);
    if (ready) {
        out->generation = look_up_number(t, &id);
    }
    if (out->state != API_TRAIN_RUNNING && store_train_running(t->options.store)) {
        *out = nothing_known;
        out->state = API_TRAIN_RUNNING;
    }
}

err_code train_runs_cancel(train_runs *t, err *e)
{
    err_code code = ERR_OK;
    pthread_mutex_lock(&t->mutex);
    if (t->child == 0 && t->starting) {
        t->cancelled = true; /* end_start then ends the child */
    } else if (t->child == 0) {
        code = err_set(e, ERR_NOT_FOUND, "this service has no training running");
    } else {
        t->cancelled = true;
        (void)kill(t->child, SIGTERM);
    }
    pthread_mutex_unlock(&t->mutex);
    return code;
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
    t->status = nothing_known;
    ssize_t length = readlink("/proc/self/exe", t->program, sizeof t->program - 1);
    err_code code =
        length > 0 ? ERR_OK : err_set(e, ERR_IO, "the path of this program is not known");
    const metric_plain all[] = {
        {&info_running, &t->running},
        {&info_started, &t->started},
        {&info_failures, &t->failures},
    };
    if (code == ERR_OK) {
        code = metrics_add_plain(options->metrics, all, sizeof all / sizeof all[0], e);
    }
    if (code == ERR_OK) {
        code = metrics_on_scrape(options->metrics, collect, t, e);
    }
    if (code != ERR_OK) {
        mem_free(t);
        return code;
    }
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->settled, NULL);
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
    while (t->starting) {
        pthread_cond_wait(&t->settled, &t->mutex);
    }
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
    struct timespec until = clock_wall_deadline((uint64_t)STOP_SECONDS * NS_PER_SECOND);
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
        pthread_cond_destroy(&t->settled);
        mem_free(t);
    }
}
