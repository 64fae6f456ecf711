/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service: starts and stops all parts of `stair serve`, in order.
 *
 *     start   keys -> engine (store, live tables, writer, background) -> api -> http
 *     stop    not ready -> drain delay -> no new connections -> requests end -> training is
 *             cancelled, background and writer finish -> http -> api -> engine
 *
 * Threading: service_start, service_tick, service_reload and service_stop from the main thread.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include <stdbool.h>

#include "core/common/err.h"
#include "server/cli/serve_options.h"

typedef struct service service;

/* service_start returns when the service is ready and the supervisor has been told. `options` and
 * `values` are borrowed until service_stop. */
err_code service_start(service **out, const serve_options *options, const option_values *values,
                       err *e) ERR_CHECKED;

/* service_tick does the periodic work. Call it every service_tick_seconds: every second, or as
 * often as the supervisor wants a sign of life. It gives that sign unless the writer is stuck. It
 * returns true if the service must end, because its tables can no longer follow the disk. */
bool service_tick(service *s);
double service_tick_seconds(const service *s);

/* service_reload reads keys and certificates again (SIGHUP). If one fails, the failure is logged
 * and the old one stays. */
void service_reload(service *s);

/* service_stop ends everything. Requests that have not ended at the time-out are cut off, after
 * their writes, if any, were committed. It accepts NULL. */
void service_stop(service *s);

#endif
