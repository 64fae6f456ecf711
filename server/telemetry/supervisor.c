/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/supervisor.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <systemd/sd-daemon.h>

#include "server/telemetry/clock.h"

enum { TEXT_MAX = 512 };

/* status_text formats a status, and replaces line breaks, because each would begin another
 * assignment. */
static void status_text(char *out, const char *fmt, va_list args)
{
    vsnprintf(out, TEXT_MAX, fmt, args);
    for (char *at = out; *at != '\0'; at++) {
        *at = (unsigned char)*at < ' ' ? ' ' : *at;
    }
}

void supervisor_ready(const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    status_text(text, fmt, args);
    va_end(args);
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", text);
}

void supervisor_status(const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    status_text(text, fmt, args);
    va_end(args);
    (void)sd_notifyf(0, "STATUS=%s", text);
}

void supervisor_reloading(void)
{
    /* The time is for Type=notify-reload, which Debian 12's systemd does not have yet. */
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reading keys and certificates",
                     (long long)(clock_ns() / 1000));
}

void supervisor_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1\nSTATUS=Finishing the requests in progress");
}

void supervisor_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

double supervisor_alive_seconds(void)
{
    uint64_t microseconds = 0;
    return sd_watchdog_enabled(0, &microseconds) > 0 ? 1e-6 * (double)microseconds / 2 : 0;
}
