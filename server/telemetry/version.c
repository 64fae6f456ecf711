/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/version.h"

/* The Makefile defines it, and rebuilds only this file when the commit changes. */
#ifndef STAIR_COMMIT
#define STAIR_COMMIT "unknown"
#endif

const char stair_version[] = STAIR_VERSION;
const char stair_commit[] = STAIR_COMMIT;
