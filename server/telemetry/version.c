/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/version.h"

/* The Makefile says so, and rebuilds this file alone when the commit moves. */
#ifndef STAIR_COMMIT
#define STAIR_COMMIT "unknown"
#endif

const char stair_version[] = STAIR_VERSION;
const char stair_commit[] = STAIR_COMMIT;
