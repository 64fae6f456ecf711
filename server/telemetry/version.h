/* SPDX-License-Identifier: Apache-2.0 */
/* version: the version and commit of this build. */
#ifndef SERVER_VERSION_H
#define SERVER_VERSION_H

/* "0.1.0", and the commit's short hash or "unknown". */
extern const char stair_version[];
extern const char stair_commit[];

#endif
