/*
 * explain: the configuration that `stair serve` would have here, and what the machine's limits mean
 * for it, as lines for people on standard error.
 */
#ifndef SERVER_EXPLAIN_H
#define SERVER_EXPLAIN_H

#include "storage/store.h"

/* explain_service prints settings that differ from their defaults, with where they come from, and
 * a line for each limit; lines that begin with "warning:" want something to be done. `file` is
 * the configuration file or NULL. */
void explain_service(const char *folder, const char *file, const store_info *info);

#endif
