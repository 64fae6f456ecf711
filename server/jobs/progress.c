/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/cli/command.h"
#include "server/telemetry/clock.h"

enum { BAR_CELLS = 24 };
static const double redraw_seconds = 0.1;
/* no rate is shown before this time, because it would be an estimate from one step */
static const double rate_seconds = 0.3;
/* from one plain line to the next, if standard error is not a terminal */
static const double line_seconds = 10.0;

void progress_start(progress *p, const char *label, const char *unit, uint64_t total, bool quiet)
{
    memset(p, 0, sizeof *p);
    p->label = label;
    p->unit = unit;
    p->total = total;
    p->quiet = quiet;
    p->terminal = isatty(2) == 1;
    p->started = clock_seconds();
}

static void time_text(double seconds, char *out, size_t bytes)
{
    long whole = seconds < 0 ? 0 : (long)(seconds + 0.5);
    if (whole >= 3600) {
        snprintf(out, bytes, "%ldh%02ldm", whole / 3600, whole / 60 % 60);
    } else if (whole >= 60) {
        snprintf(out, bytes, "%ldm%02lds", whole / 60, whole % 60);
    } else {
        snprintf(out, bytes, "%lds", whole);
    }
}

static void draw(progress *p, double now, const char *note)
{
    char text[512];
    size_t used = 0;
    double seconds = now - p->started;
    double rate = seconds >= rate_seconds ? (double)(p->done - p->first) / seconds : 0;
    used += (size_t)snprintf(text, sizeof text, "%s ", p->label);
    if (p->total > 0) {
        double share = (double)p->done / (double)p->total;
        share = share > 1 ? 1 : share;
        if (p->terminal) {
            int full = (int)(share * BAR_CELLS);
            used += (size_t)snprintf(text + used, sizeof text - used, "[%.*s%*s] ", full,
                                     "########################", BAR_CELLS - full, "");
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%3.0f %%  %" PRIu64 "/%" PRIu64,
                                 100 * share, p->done, p->total);
    } else {
        used += (size_t)snprintf(text + used, sizeof text - used, "%" PRIu64, p->done);
    }
    used += (size_t)snprintf(text + used, sizeof text - used, " %s", p->unit);
    if (rate > 0) {
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 rate >= 1000 ? "  %.0f/s" : "  %.3g/s", rate);
    }
    if (rate > 0 && p->total > p->done) {
        char left[32];
        time_text((double)(p->total - p->done) / rate, left, sizeof left);
        used += (size_t)snprintf(text + used, sizeof text - used, "  %s left", left);
    }
    fprintf(stderr, p->terminal ? "\r%s%s%.160s\033[K" : "%s%s%.160s\n", text,
            note != NULL && note[0] != '\0' ? "  " : "", note != NULL ? note : "");
    fflush(stderr);
    p->drawn = now;
    p->lines++;
}

void progress_update(progress *p, uint64_t done, const char *note, bool force)
{
    if (p->quiet) {
        return;
    }
    if (!p->any) {
        p->any = true;
        p->first = done > 1 ? done - 1 : 0;
    }
    p->done = done;
    double now = clock_seconds();
    if (force || now - p->drawn >= (p->terminal ? redraw_seconds : line_seconds)) {
        draw(p, now, note);
    }
}

void progress_line(progress *p, const char *fmt, ...)
{
    if (p->quiet) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    if (p->terminal && p->lines > 0) {
        fputs("\r\033[K", stderr);
    }
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

void progress_finish(progress *p, const char *note)
{
    if (p->quiet) {
        return;
    }
    double now = clock_seconds();
    if (p->terminal || p->lines == 0 || (note != NULL && note[0] != '\0')) {
        draw(p, now, note);
    }
    char took[32];
    time_text(now - p->started, took, sizeof took);
    fprintf(stderr, "%s%s: %" PRIu64 " %s in %s\n", p->terminal ? "\n" : "", p->label, p->done,
            p->unit, took);
}
