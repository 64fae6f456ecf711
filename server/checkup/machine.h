/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine: the limits that the machine, the container and the shell set for a process that serves a
 * store.
 *
 * Plain data, collected once, so that server/checkup/explain.h can be tested with any machine. The
 * service itself does not use it: it measures instead of trusting these files.
 */
#ifndef SERVER_MACHINE_H
#define SERVER_MACHINE_H

#include <stdint.h>

#define MACHINE_NO_LIMIT UINT64_MAX

typedef struct machine {
    uint64_t disk_free;  /* for this user, where the store is; MACHINE_NO_LIMIT: not known */
    const char *disk;    /* "nfs": a network's, "tmpfs": memory; NULL: a disk like any; static */
    uint64_t memory;     /* the machine's, or the control group's limit if that is less */
    uint64_t open_files; /* ulimit -n; likewise -v and -f */
    uint64_t address_space, file_bytes;
    unsigned processors; /* online, and allowed by the affinity mask */
    double quota;        /* processors' time that the control group gives; 0: all */
    const char *stopper; /* whose time-out a stop has to keep to; static */
    double stop_seconds; /* before it kills, unless told otherwise */
} machine;

/* machine_look fills all; `folder` is the store's. What cannot be found out is no limit. */
void machine_look(machine *out, const char *folder);

#endif
