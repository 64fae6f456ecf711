/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/machine.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* statfs(2) */
static const struct {
    unsigned type;
    const char *name;
} other_disks[] = {{0x6969, "nfs"},      {0x517b, "smb"},      {0xfe534d42, "smb"},
                   {0xff534d42, "cifs"}, {0x00c36400, "ceph"}, {0x01021997, "9p"},
                   {0x01021994, "tmpfs"}};

static void look_disk(machine *out, const char *folder)
{
    struct statfs fs;
    out->disk_free = MACHINE_NO_LIMIT;
    if (statfs(folder, &fs) != 0) {
        return;
    }
    out->disk_free = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
    for (size_t i = 0; i < sizeof other_disks / sizeof other_disks[0]; i++) {
        if ((unsigned)fs.f_type == other_disks[i].type) {
            out->disk = other_disks[i].name;
        }
    }
}

static uint64_t limit_of(__rlimit_resource_t resource)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ? MACHINE_NO_LIMIT
                                                                               : limit.rlim_cur;
}

static int read_line(const char *path, char *out, int bytes)
{
    FILE *f = fopen(path, "re");
    int found = f != NULL && fgets(out, bytes, f) != NULL;
    if (f != NULL) {
        (void)fclose(f);
    }
    return found;
}

static void look_one_group(machine *out, const char *folder)
{
    char path[PATH_MAX + 32], line[128];
    unsigned long long bytes = 0;
    long long time = 0, period = 0;
    snprintf(path, sizeof path, "%s/memory.max", folder);
    if (read_line(path, line, sizeof line) && sscanf(line, "%llu", &bytes) == 1 &&
        bytes < out->memory) {
        out->memory = bytes;
    }
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (read_line(path, line, sizeof line) && sscanf(line, "%lld %lld", &time, &period) == 2 &&
        period > 0 && (out->quota == 0 || (double)time / (double)period < out->quota)) {
        out->quota = (double)time / (double)period;
    }
}

void machine_look_group(machine *out, const char *root, const char *path)
{
    char folder[PATH_MAX];
    size_t least = strlen(root);
    int length = snprintf(folder, sizeof folder, "%s%s", root, path);
    if (length < 0 || (size_t)length >= sizeof folder) {
        return;
    }
    for (char *slash = folder + length; slash != NULL; slash = strrchr(folder, '/')) {
        *slash = '\0';
        look_one_group(out, folder);
        if (strlen(folder) <= least) {
            break;
        }
    }
}

/* Only the hierarchy of version 2, "0::/path". */
static void look_group(machine *out)
{
    char line[PATH_MAX];
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) == 0) {
            machine_look_group(out, "/sys/fs/cgroup", line + 3);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

static void look_stopper(machine *out)
{
    out->stopper = "systemd";
    out->stop_seconds = 90;
    if (getenv("KUBERNETES_SERVICE_HOST") != NULL) {
        out->stopper = "Kubernetes";
        out->stop_seconds = 30;
    } else if (access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0) {
        out->stopper = "the container engine";
        out->stop_seconds = 10;
    }
}

void machine_look(machine *out, const char *folder)
{
    struct sysinfo info;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    *out = (machine){.memory = MACHINE_NO_LIMIT, .processors = online > 0 ? (unsigned)online : 1};
    if (sysinfo(&info) == 0) {
        out->memory = (uint64_t)info.totalram * info.mem_unit;
    }
    out->open_files = limit_of(RLIMIT_NOFILE);
    out->address_space = limit_of(RLIMIT_AS);
    out->file_bytes = limit_of(RLIMIT_FSIZE);
    look_disk(out, folder);
    look_group(out);
    look_stopper(out);
}
