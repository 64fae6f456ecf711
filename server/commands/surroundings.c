/* SPDX-License-Identifier: Apache-2.0 */
#include "server/commands/surroundings.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/common/mem.h"
#include "server/http/tls.h"

struct surroundings {
    char *store_dir, *snapshot_dir;
    metric_series *disk_free, *snapshot, *certificate, *reload_failures;
};

static const metric_info info_disk_free = {.name = "stair_store_disk_free_bytes",
                                           .help = "Free bytes of the disk that holds the store.",
                                           .kind = METRIC_GAUGE};
static const metric_info info_snapshot = {
    .name = "stair_snapshot_newest_timestamp_seconds",
    .help = "Time at which the newest snapshot in snapshot_dir was made; 0: none.",
    .kind = METRIC_GAUGE};
static const metric_info info_certificate = {
    .name = "stair_tls_certificate_expiry_timestamp_seconds",
    .help = "Time at which the certificate of new connections expires; 0: no TLS.",
    .kind = METRIC_GAUGE};
static const metric_info info_reload_failures = {
    .name = "stair_reload_failures_total",
    .help = "Failed reloads of keys or certificate; the old ones stay in force.",
    .kind = METRIC_COUNTER};

/* A finished snapshot is a folder with a data.mdb. A draft has another name until it is
 * complete. */
static double newest_snapshot(const char *dir)
{
    DIR *folder = opendir(dir);
    double newest = 0;
    if (folder == NULL) {
        return 0;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[4096];
        struct stat st;
        int length = snprintf(path, sizeof path, "%s/%s/data.mdb", dir, entry->d_name);
        if (entry->d_name[0] != '.' && length < (int)sizeof path && stat(path, &st) == 0 &&
            (double)st.st_mtime > newest) {
            newest = (double)st.st_mtime;
        }
    }
    closedir(folder);
    return newest;
}

static void collect(void *ctx)
{
    surroundings *s = ctx;
    struct statvfs disk;
    if (statvfs(s->store_dir, &disk) == 0) {
        metric_set(s->disk_free, (double)disk.f_bavail * (double)disk.f_frsize);
    }
    metric_set(s->snapshot, newest_snapshot(s->snapshot_dir));
    metric_set(s->certificate, (double)tls_expiry());
}

err_code surroundings_add(surroundings **out, metrics *m, const char *store_dir,
                          const char *snapshot_dir, err *e)
{
    *out = NULL;
    surroundings *s = mem_array(1, sizeof *s);
    if (s == NULL) {
        return err_nomem(e, "metrics");
    }
    s->store_dir = mem_string(store_dir, strlen(store_dir));
    s->snapshot_dir = mem_string(snapshot_dir, strlen(snapshot_dir));
    const metric_plain all[] = {
        {&info_disk_free, &s->disk_free},
        {&info_snapshot, &s->snapshot},
        {&info_certificate, &s->certificate},
        {&info_reload_failures, &s->reload_failures},
    };
    err_code code =
        s->store_dir != NULL && s->snapshot_dir != NULL ? ERR_OK : err_nomem(e, "metrics");
    if (code == ERR_OK) {
        code = metrics_add_plain(m, all, sizeof all / sizeof all[0], e);
    }
    if (code == ERR_OK) {
        code = metrics_on_scrape(m, collect, s, e);
    }
    if (code != ERR_OK) {
        surroundings_free(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void surroundings_free(surroundings *s)
{
    if (s != NULL) {
        mem_free(s->store_dir);
        mem_free(s->snapshot_dir);
        mem_free(s);
    }
}

void surroundings_reload_failed(surroundings *s)
{
    metric_count(s->reload_failures, 1);
}
