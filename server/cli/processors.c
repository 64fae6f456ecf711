/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/processors.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- control groups ----------------------------------------------------------------------- */

static bool read_line(const char *folder, const char *name, char *out, int bytes)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    bool found = f != NULL && fgets(out, bytes, f) != NULL;
    if (f != NULL) {
        (void)fclose(f);
    }
    return found;
}

static void lower_memory(control_group *out, const char *line)
{
    unsigned long long bytes = 0;
    if (sscanf(line, "%llu", &bytes) == 1 && bytes < out->memory) {
        out->memory = bytes;
    }
}

static void lower_processors(control_group *out, long long time, long long period)
{
    double quota = period > 0 ? (double)time / (double)period : 0;
    if (quota > 0 && (out->processors == 0 || quota < out->processors)) {
        out->processors = quota;
    }
}

/* look_one reads the limits in a folder of either version; the two versions name their files
 * differently. */
static void look_one(control_group *out, const char *folder)
{
    char line[128], other[128];
    long long time = 0, period = 0;
    if (read_line(folder, "memory.max", line, sizeof line) ||
        read_line(folder, "memory.limit_in_bytes", line, sizeof line)) {
        lower_memory(out, line);
    }
    if (read_line(folder, "cpu.max", line, sizeof line) &&
        sscanf(line, "%lld %lld", &time, &period) == 2) {
        lower_processors(out, time, period);
    }
    if (read_line(folder, "cpu.cfs_quota_us", line, sizeof line) &&
        read_line(folder, "cpu.cfs_period_us", other, sizeof other) &&
        sscanf(line, "%lld", &time) == 1 && sscanf(other, "%lld", &period) == 1) {
        lower_processors(out, time, period);
    }
}

void control_group_of(control_group *out, const char *root, const char *path)
{
    char folder[PATH_MAX];
    size_t least = strlen(root);
    int length = snprintf(folder, sizeof folder, "%s%s", root, path);
    if (length < 0 || (size_t)length >= sizeof folder) {
        return;
    }
    for (char *slash = folder + length; slash != NULL; slash = strrchr(folder, '/')) {
        *slash = '\0';
        look_one(out, folder);
        if (strlen(folder) <= least) {
            break;
        }
    }
}

/* A line is "number:controllers:path"; version 2 has no controllers. In a container, the path may
 * be the one outside; the container's own group is then at the root of the mount. */
static void look_line(control_group *out, char *line)
{
    char root[PATH_MAX];
    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL) {
        return;
    }
    *controllers++ = '\0';
    *path++ = '\0';
    if (*controllers == '\0') {
        control_group_of(out, "/sys/fs/cgroup", path);
        control_group_of(out, "/sys/fs/cgroup/unified", path);
        return;
    }
    snprintf(root, sizeof root, "/sys/fs/cgroup/%s", controllers);
    control_group_of(out, root, path);
    for (char *rest = controllers, *one = NULL; (one = strsep(&rest, ",")) != NULL;) {
        if (strcmp(one, "cpu") == 0 || strcmp(one, "memory") == 0) {
            snprintf(root, sizeof root, "/sys/fs/cgroup/%s", one);
            control_group_of(out, root, path);
        }
    }
}

void control_group_look(control_group *out)
{
    char line[PATH_MAX + 64];
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        look_line(out, line);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

/* --- processors --------------------------------------------------------------------------- */

unsigned processors_online(void)
{
    for (int most = 1024; most <= 1024 * 1024; most *= 4) { /* the kernel's mask may be larger */
        cpu_set_t *mask = CPU_ALLOC((size_t)most);
        size_t bytes = CPU_ALLOC_SIZE((size_t)most);
        int rc = mask != NULL ? sched_getaffinity(0, bytes, mask) : 0;
        int why = errno, count = mask != NULL && rc == 0 ? CPU_COUNT_S(bytes, mask) : 0;
        CPU_FREE(mask);
        if (count > 0) {
            return (unsigned)count;
        }
        if (rc == 0 || why != EINVAL) {
            break;
        }
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned processors_usable(void)
{
    control_group group = {.memory = GROUP_NO_LIMIT};
    unsigned online = processors_online();
    control_group_look(&group);
    return group.processors > 0 && group.processors < online ? (unsigned)ceil(group.processors)
                                                             : online;
}

unsigned threads_or_usable(int64_t asked)
{
    return asked > 0 ? (unsigned)asked : processors_usable();
}
