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
    /* Bytes that this user may still write to the store's disk; MACHINE_NO_LIMIT if not known. */
    uint64_t disk_free;
    /* "nfs": a network file system; "tmpfs": memory; NULL: an ordinary disk; static */
    const char *disk;
    uint64_t memory;     /* bytes of the machine, or the control group's limit if that is lower */
    uint64_t open_files; /* ulimit -n */
    uint64_t address_space, file_bytes; /* ulimit -v and ulimit -f */
    unsigned processors;                /* online, and allowed by the affinity mask */
    double quota;                       /* processor time that the control group allows; 0: all */
    const char *stopper; /* the supervisor whose time-out a stop must keep to; static */
    double stop_seconds; /* its time-out before it kills the process, unless configured */
} machine;

/* machine_look fills everything; `folder` is the store's. What cannot be determined counts as no
 * limit. */
void machine_look(machine *out, const char *folder);

#endif
