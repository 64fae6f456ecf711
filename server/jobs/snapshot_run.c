/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/snapshot_run.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/common/mem.h"
#include "server/cli/command.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"
#include "storage/maintenance/snapshot.h"

enum { NAME_BYTES_MAX = 255, REMEMBERED = 32, PATH_BYTES_MAX = 4096 };

typedef struct remembered {
    char name[NAME_BYTES_MAX + 1];
    api_snapshot state;
} remembered;

struct snapshot_runs {
    store *store;
    char *dir;
    atomic_bool cancelled;
    pthread_mutex_t mutex;
    /* guarded by mutex */
    remembered list[REMEMBERED]; /* a ring: a new entry overwrites the oldest */
    size_t next;
    pthread_t thread;
    bool thread_made, running, stopping;
    remembered *current;
    metric_series *failures; /* counts failed copies; immutable */
};

static const metric_info info_failures = {
    .name = "stair_snapshot_failures_total", .help = "Failed snapshots.", .kind = METRIC_COUNTER};

static bool is_cancelled(void *ctx)
{
    return atomic_load(&((snapshot_runs *)ctx)->cancelled);
}

static bool path_of(const snapshot_runs *s, slice name, char out[PATH_BYTES_MAX])
{
    int length = snprintf(out, PATH_BYTES_MAX, "%s/%.*s", s->dir, (int)name.length, name.at);
    return name.length <= NAME_BYTES_MAX && length < PATH_BYTES_MAX;
}

static void *snapshot_main(void *argument)
{
    snapshot_runs *s = argument;
    char path[PATH_BYTES_MAX];
    err e = ERR_INIT;
    uint64_t bytes = 0;
    uint64_t seq = 0;
    pthread_setname_np(pthread_self(), "snapshot");
    (void)path_of(s, slice_of(s->current->name), path); /* the length was checked at the start */
    err_code code = snapshot_write(s->store, path, is_cancelled, s, &bytes, &seq, &e);
    pthread_mutex_lock(&s->mutex);
    api_snapshot *state = &s->current->state;
    state->ended = clock_now();
    state->state = code == ERR_OK ? API_SNAPSHOT_DONE : API_SNAPSHOT_FAILED;
    state->bytes = bytes;
    state->seq = seq;
    snprintf(state->detail, sizeof state->detail, "%s", e.text);
    s->running = false;
    pthread_mutex_unlock(&s->mutex);
    metric_count(s->failures, code == ERR_OK ? 0 : 1);
    log_event(code == ERR_OK ? LOG_INFO : LOG_ERROR, "snapshot_ended",
              log_bool("done", code == ERR_OK), log_int("bytes", bytes), log_int("seq", seq),
              log_text("error", e.text));
    return NULL;
}

static remembered *find(snapshot_runs *s, slice name)
{
    for (size_t i = 0; i < REMEMBERED; i++) {
        if (s->list[i].state.state != 0 && slice_equal(slice_of(s->list[i].name), name)) {
            return &s->list[i];
        }
    }
    return NULL;
}

/* begin starts the thread for a copy of this name. The caller holds the mutex. */
static err_code begin(snapshot_runs *s, slice name, err *e)
{
    remembered *entry = find(s, name);
    if (entry == NULL) {
        entry = &s->list[s->next++ % REMEMBERED];
    }
    memset(entry, 0, sizeof *entry);
    memcpy(entry->name, name.at, name.length);
    entry->state.state = API_SNAPSHOT_RUNNING;
    entry->state.started = clock_now();
    s->current = entry;
    s->running = true;
    if (pthread_create(&s->thread, NULL, snapshot_main, s) != 0) {
        s->running = false;
        entry->state.state = API_SNAPSHOT_FAILED;
        return err_set(e, ERR_IO, "the copy cannot be started");
    }
    s->thread_made = true;
    return ERR_OK;
}

/* join_last joins the last thread, which ends soon after the state says that its copy has ended.
 * One caller joins it, without the mutex. */
static void join_last(snapshot_runs *s)
{
    pthread_mutex_lock(&s->mutex);
    bool ended = s->thread_made && !s->running;
    pthread_t thread = s->thread;
    s->thread_made = s->thread_made && !ended;
    pthread_mutex_unlock(&s->mutex);
    if (ended) {
        pthread_join(thread, NULL);
    }
}

err_code snapshot_runs_start(snapshot_runs *s, slice name, err *e)
{
    char path[PATH_BYTES_MAX];
    struct stat there;
    if (!path_of(s, name, path)) {
        return err_set(e, ERR_INVALID, "name: expected at most %d bytes", NAME_BYTES_MAX);
    }
    if (stat(path, &there) == 0) {
        return err_set(e, ERR_CONFLICT, "a snapshot of this name exists");
    }
    if (mkdir(s->dir, 0700) != 0 && errno != EEXIST) {
        return err_set(e, ERR_IO, "snapshot_dir cannot be made: %s", strerror(errno));
    }
    err_code code = ERR_OK;
    join_last(s);
    pthread_mutex_lock(&s->mutex);
    if (s->stopping) {
        code = err_set(e, ERR_UNAVAILABLE, "the service is stopping");
    } else if (s->thread_made) {
        code = slice_equal(slice_of(s->current->name), name)
                   ? err_set(e, ERR_CONFLICT, "a snapshot of this name is being made")
                   : err_set(e, ERR_UNAVAILABLE, "another snapshot is being made");
    } else {
        code = begin(s, name, e);
    }
    pthread_mutex_unlock(&s->mutex);
    return code;
}

/* status_of_folder looks for a copy that an earlier process made. Other folders under snapshot_dir
 * are not copies. */
static err_code status_of_folder(const snapshot_runs *s, slice name, api_snapshot *out, err *e)
{
    char path[PATH_BYTES_MAX];
    snapshot_facts facts;
    err why = ERR_INIT;
    err_code code = path_of(s, name, path) ? snapshot_inspect(path, &facts, &why) : ERR_NOT_FOUND;
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_NOT_FOUND, "there is no snapshot of this name");
    }
    if (code == ERR_CORRUPT) {
        return err_set(e, ERR_NOT_FOUND, "there is no whole snapshot of this name: it is damaged");
    }
    if (code != ERR_OK) {
        return err_set(e, code, "%s", why.text);
    }
    out->state = API_SNAPSHOT_DONE;
    out->ended = facts.made;
    out->bytes = facts.bytes;
    out->seq = facts.seq;
    out->seq_unknown = !facts.seq_known;
    return ERR_OK;
}

err_code snapshot_runs_status(snapshot_runs *s, slice name, api_snapshot *out, err *e)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&s->mutex);
    const remembered *entry = find(s, name);
    if (entry != NULL) {
        *out = entry->state;
    }
    pthread_mutex_unlock(&s->mutex);
    return entry != NULL ? ERR_OK : status_of_folder(s, name, out, e);
}

err_code snapshot_runs_new(snapshot_runs **out, store *s, const char *dir, metrics *m, err *e)
{
    *out = NULL;
    snapshot_runs *runs = mem_array(1, sizeof *runs);
    char *copy = mem_string(dir, strlen(dir));
    if (runs == NULL || copy == NULL) {
        mem_free(runs);
        mem_free(copy);
        return err_nomem(e, "snapshots");
    }
    runs->store = s;
    runs->dir = copy;
    pthread_mutex_init(&runs->mutex, NULL);
    const metric_plain all[] = {{&info_failures, &runs->failures}};
    err_code code = metrics_add_plain(m, all, 1, e);
    if (code != ERR_OK) {
        snapshot_runs_free(runs);
        return code;
    }
    *out = runs;
    return ERR_OK;
}

void snapshot_runs_stop(snapshot_runs *s)
{
    if (s == NULL) {
        return;
    }
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    bool made = s->thread_made;
    s->thread_made = false;
    pthread_mutex_unlock(&s->mutex);
    atomic_store(&s->cancelled, true);
    if (made) {
        pthread_join(s->thread, NULL);
    }
}

void snapshot_runs_free(snapshot_runs *s)
{
    if (s != NULL) {
        snapshot_runs_stop(s);
        pthread_mutex_destroy(&s->mutex);
        mem_free(s->dir);
        mem_free(s);
    }
}
