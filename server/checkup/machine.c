/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/machine.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "server/cli/processors.h"

/* types of file systems, as statfs(2) reports them */
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

static void look_group(machine *out)
{
    control_group group = {.memory = out->memory};
    control_group_look(&group);
    out->memory = group.memory;
    out->quota = group.processors;
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
    *out = (machine){.memory = MACHINE_NO_LIMIT, .processors = processors_online()};
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
