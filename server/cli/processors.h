/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processors: how many processors the control group and the affinity mask allow this process.
 *
 * A container on a large machine sees all processors online but may be allowed only two; with a
 * thread for every processor, the threads would wait for each other. Both versions of control
 * groups are read, for the group and for all groups above it.
 */
#ifndef SERVER_PROCESSORS_H
#define SERVER_PROCESSORS_H

#include <stdint.h>

#define GROUP_NO_LIMIT UINT64_MAX

typedef struct control_group {
    uint64_t memory;   /* memory limit in bytes, or GROUP_NO_LIMIT */
    double processors; /* quota in processors; 0: no limit */
} control_group;

/* control_group_look lowers *out to the limits of this process's groups. control_group_of lowers it
 * to those of the group `path` ("/a/b") below the mount `root`, and of the groups above it. What
 * cannot be determined counts as no limit. */
void control_group_look(control_group *out);
void control_group_of(control_group *out, const char *root, const char *path);

/* processors_online counts the processors that the affinity mask allows. processors_usable is the
 * lower of that and the quota, rounded up; at least 1. */
unsigned processors_online(void);
unsigned processors_usable(void);

/* threads_or_usable returns `asked`, or processors_usable for 0. */
unsigned threads_or_usable(int64_t asked);

#endif
