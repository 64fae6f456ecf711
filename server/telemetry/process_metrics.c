/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/process_metrics.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/telemetry/clock.h"
#include "server/telemetry/log_queue.h"
#include "server/telemetry/version.h"

static struct {
    metric_series *resident, *peak, *cpu, *files, *files_max, *started, *dropped;
} gauges; /* there is one process, so one set */

static const metric_info info_build = {
    .name = "stair_build_info",
    .help = "Always 1; the labels name the running version and commit.",
    .kind = METRIC_GAUGE,
    .labels = {"version", "commit"}};
static const metric_info info_resident = {.name = "stair_process_resident_bytes",
                                          .help = "Resident memory of the process.",
                                          .kind = METRIC_GAUGE};
static const metric_info info_peak = {.name = "stair_process_resident_peak_bytes",
                                      .help = "Peak memory of the process.",
                                      .kind = METRIC_GAUGE};
static const metric_info info_cpu = {.name = "stair_process_cpu_seconds",
                                     .help = "Processor time used since the start.",
                                     .kind = METRIC_GAUGE};
static const metric_info info_files = {
    .name = "stair_process_open_files", .help = "Open file descriptors.", .kind = METRIC_GAUGE};
static const metric_info info_files_max = {.name = "stair_process_open_files_limit",
                                           .help =
                                               "Maximum number of file descriptors of the process.",
                                           .kind = METRIC_GAUGE};
static const metric_info info_started = {.name = "stair_process_start_timestamp_seconds",
                                         .help = "Time at which the process started.",
                                         .kind = METRIC_GAUGE};

static const metric_info info_dropped = {
    .name = "stair_log_lines_dropped_total",
    .help = "Log lines that were dropped because the log was not read fast enough.",
    .kind = METRIC_COUNTER};

static double resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%*u %lu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
    double count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder != NULL) {
        while (readdir(folder) != NULL) {
            count++;
        }
        (void)closedir(folder);
        count -= 3; /* do not count ., .. and the descriptor of the folder itself */
    }
    return count;
}

/* dropped lines counted so far; several scrapes may run at once */
static atomic_uint_fast64_t counted;

static void collect(void *ctx)
{
    struct rusage usage;
    struct rlimit limit;
    (void)ctx;
    uint64_t dropped = log_queue_dropped();
    uint64_t before = atomic_exchange(&counted, dropped);
    metric_count(gauges.dropped, dropped > before ? dropped - before : 0);
    metric_set(gauges.resident, resident_bytes());
    metric_set(gauges.files, open_files());
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        metric_set(gauges.peak, 1024.0 * (double)usage.ru_maxrss);
        metric_set(gauges.cpu,
                   (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        metric_set(gauges.files_max, (double)limit.rlim_cur);
    }
}

err_code process_metrics_add(metrics *m, err *e)
{
    const metric_plain all[] = {
        {&info_resident, &gauges.resident},
        {&info_peak, &gauges.peak},
        {&info_cpu, &gauges.cpu},
        {&info_files, &gauges.files},
        {&info_files_max, &gauges.files_max},
        {&info_started, &gauges.started},
        {&info_dropped, &gauges.dropped},
    };
    metric *added = NULL;
    err_code code = metrics_add(m, &info_build, &added, e);
    if (code == ERR_OK) {
        metric_set(metric_at(added, stair_version, stair_commit, NULL), 1);
    }
    if (code == ERR_OK) {
        code = metrics_add_plain(m, all, sizeof all / sizeof all[0], e);
    }
    if (code != ERR_OK) {
        return code;
    }
    metric_set(gauges.started, (double)clock_now());
    return metrics_on_scrape(m, collect, NULL, e);
}
