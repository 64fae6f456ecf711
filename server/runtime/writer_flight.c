/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_flight: the messages that a writer with a log has published and that have not come back.
 *
 * Jobs are admitted here, on this node alone: afterwards no node refuses their ops for lack of
 * room. Each message costs the log's servers syncs and milliseconds of processor time, whatever its
 * size, so a message takes all waiting jobs. While others are in flight, the next message is sent
 * only if it is large enough to be worth that.
 */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "core/common/mem.h"
#include "server/runtime/writer_log_private.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/log.h"

enum { FLIGHTS_MAX = 8, JOBS_WORTH_A_MESSAGE = 64, FLIGHT_BYTES_MAX = OP_BYTES_MAX };

/* A message that does not come back is sent again. If no message comes back, the log may have
 * changed its leader; small messages are then sent again sooner. */
enum { SMALL_BYTES = 64 * 1024 };
static const uint64_t RESEND_NS = NS_PER_SECOND, RESEND_SILENT_NS = 200ULL * NS_PER_MS;

/* OUTCOME_NS and LARGE_OUTCOME_NS are the time after which the jobs of a message that has not
 * come back are answered ERR_OUTCOME_UNKNOWN. LAUNCH_NS is how long a job may wait to be
 * published. */
static const uint64_t OUTCOME_NS = 5000000000, LARGE_OUTCOME_NS = 30000000000,
                      LAUNCH_NS = 5000000000;

/* With less free disk space than this, additions are refused, so that the log's messages still fit.
 * On a small disk the reserve is a part of the disk. */
static const uint64_t DISK_RESERVE_BYTES = (uint64_t)256 << 20;
enum { DISK_RESERVE_PART = 20 };

static size_t most_of(size_t jobs)
{
    return jobs - jobs / 8;
}

/* gathers tells whether to wait for more jobs before publishing. Clients that have just been
 * answered often write again within a moment. Waiting for them lets their writes share one message;
 * otherwise they would wait behind the first one's message. */
static bool gathers(const writer *w, uint64_t now)
{
    const writer_log *l = w->log;
    uint64_t last_ns = w->newest_ns > l->landed_ns ? w->newest_ns : l->landed_ns;
    return l->flight_count == 0 && w->waiting < most_of(l->expected) &&
           now < last_ns + FLIGHT_GAP_NS && now < l->landed_ns + FLIGHT_GATHER_NS;
}

size_t flight_wake_at(const writer *w)
{
    const writer_log *l = w->log;
    bool waits = !l->stopped && !l->closed && w->writable;
    return waits && l->flight_count > 0 ? JOBS_WORTH_A_MESSAGE
           : waits && w->first != NULL  ? most_of(l->expected)
                                        : 1;
}

bool flight_may_launch(const writer *w)
{
    const writer_log *l = w->log;
    uint64_t now = clock_ns();
    if (w->first == NULL || gathers(w, now)) {
        return false;
    }
    if (l->stopped || l->closed || !w->writable || l->flight_count == 0 ||
        now - w->first->submitted_ns > LAUNCH_NS) {
        return true;
    }
    return l->flight_count < FLIGHTS_MAX && w->waiting >= JOBS_WORTH_A_MESSAGE;
}

/* --- admission --- */

static err_code check_disk(const writer *w, uint64_t need, err *e)
{
    struct statvfs disk;
    if (need == 0 || statvfs(store_dir(w->options.store), &disk) != 0) {
        return ERR_OK;
    }
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t part = (uint64_t)disk.f_blocks * disk.f_frsize / DISK_RESERVE_PART;
    uint64_t reserve = part < DISK_RESERVE_BYTES ? part : DISK_RESERVE_BYTES;
    return free_bytes < reserve + need ? err_set(e, ERR_FULL,
                                                 "the disk is nearly full; the rest is reserved "
                                                 "for writes from the cluster's log")
                                       : ERR_OK;
}

/* set_version gives the op the newest version that all nodes read. It also decides the op's effect
 * on this node, which must be that on the others. */
static err_code set_version(const writer_log *l, op *o, err *e)
{
    unsigned read = l->log->version(l->log->ctx), least = op_version_least(o);
    o->version = (uint8_t)(read < OP_VERSION ? read : OP_VERSION);
    return least <= o->version
               ? ERR_OK
               : err_set(e, ERR_UNAVAILABLE,
                         "a node of the cluster reads writes only up to version %u, but this write "
                         "needs version %u; nothing was written",
                         read, least);
}

static err_code admit(writer *w, const writer_job *j, uint64_t pending, uint64_t *bytes, err *e)
{
    const writer_log *l = w->log;
    if (l->stopped || !w->writable) {
        return err_set(e, ERR_UNAVAILABLE, "this node cannot apply the cluster's log: %s",
                       w->problem);
    }
    if (clock_ns() - j->submitted_ns > LAUNCH_NS) {
        return err_set(e, ERR_UNAVAILABLE,
                       "the cluster's log does not accept writes; nothing was written");
    }
    err_code code = l->log->admit(l->log->ctx, e);
    code = code == ERR_OK ? set_version(l, j->op, e) : code;
    code = code == ERR_OK ? apply_admit(w->options.store, j->op, pending, bytes, e) : code;
    return code == ERR_OK ? check_disk(w, *bytes, e) : code;
}

static void refuse(writer *w, writer_job *j, err_code code, const char *why)
{
    writer_group *g = writer_group_needed(1, 1);
    g->results[0].code = code;
    snprintf(g->results[0].detail, sizeof g->results[0].detail, "%s", why);
    if (code == ERR_FULL) {
        metric_count(w->refused_full, 1);
        writer_set_state(w, true, "the disk, the map or the quota is full");
    }
    writer_finish_job(w, j, g, &g->results[0]);
}

/* --- launching --- */

static uint64_t pending_bytes(const writer_log *l)
{
    uint64_t sum = 0;
    for (const flight *f = l->flights; f != NULL; f = f->next) {
        sum += f->need_bytes;
    }
    return sum;
}

static flight *flight_new(writer_log *l)
{
    flight *f = mem_array(1, sizeof *f);
    if (f != NULL) {
        encoder_init(&f->bytes, FLIGHT_BYTES_MAX);
        f->number = l->number + 1;
        message_begin(l->log->publisher, f->number, &f->bytes);
    }
    return f;
}

static void flight_free(flight *f)
{
    encoder_fini(&f->bytes);
    mem_free(f);
}

/* send_off publishes a message. From here on it may be in the log, whatever happens to the
 * connection. */
static void send_off(writer *w, flight *f)
{
    writer_log *l = w->log;
    flight **end = &l->flights;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = f;
    l->flight_count++;
    l->number = f->number;
    if (f->need_bytes > 0) {
        writer_set_state(w, true, ""); /* there is room */
    }
    f->began_ns = f->sent_ns = clock_ns();
    l->log->publish(l->log->ctx, f->number, encoder_slice(&f->bytes));
}

/* load adds a job's op to the message. It returns false if the op does not fit. */
static bool load(writer *w, flight *f, writer_job *j, writer_job ***end)
{
    writer_log *l = w->log;
    /* a single op may be larger than the log's messages; the log handles that */
    size_t most = f->count > 0 ? l->log->bytes_max(l->log->ctx) : FLIGHT_BYTES_MAX;
    uint64_t need = 0;
    err e = ERR_INIT;
    err_code code = admit(w, j, pending_bytes(l) + f->need_bytes, &need, &e);
    if (code == ERR_OK && !message_add(j->op, most, &f->bytes)) {
        if (f->count > 0 && f->bytes.out.failed == ERR_OK) {
            return false;
        }
        code =
            f->bytes.out.failed != ERR_OK
                ? err_set(&e, ERR_NOMEM, "no memory for a message")
                : err_set(
                      &e, ERR_TOO_LARGE,
                      "the write is larger than a message of the cluster's log, at most %zu bytes",
                      most);
    }
    if (code != ERR_OK) {
        refuse(w, j, code, e.text);
        return true;
    }
    f->need_bytes += need;
    f->count++;
    **end = j;
    *end = &j->next;
    j->next = NULL;
    return true;
}

void flight_launch(writer *w, writer_job *jobs)
{
    uint64_t now = clock_ns();
    while (jobs != NULL) {
        flight *f = flight_new(w->log);
        writer_job **end = f != NULL ? &f->jobs : NULL;
        while (jobs != NULL) {
            writer_job *next = jobs->next;
            jobs->taken_ns = now;
            if (f == NULL) {
                refuse(w, jobs, ERR_NOMEM, "no memory for a message");
            } else if (!load(w, f, jobs, &end)) {
                break;
            }
            jobs = next;
        }
        if (f != NULL && f->count > 0) {
            send_off(w, f);
        } else if (f != NULL) {
            flight_free(f);
        }
    }
}

/* --- coming back, or not --- */

flight *flight_find(writer *w, const delivery *d)
{
    writer_log *l = w->log;
    if (memcmp(d->publisher, l->log->publisher, PUBLISHER_BYTES) != 0) {
        return NULL;
    }
    for (flight *f = l->flights; f != NULL; f = f->next) {
        if (f->number == d->number && slice_equal(encoder_slice(&f->bytes), d->bytes)) {
            return f;
        }
    }
    return NULL;
}

void flight_land(writer *w, flight *f)
{
    flight **at = &w->log->flights;
    while (*at != f) {
        at = &(*at)->next;
    }
    *at = f->next;
    w->log->flight_count--;
    flight_free(f);
}

static void give_up(writer *w, flight *f)
{
    writer_job *jobs = f->jobs;
    log_event(LOG_WARN, "write_outcome_unknown", log_int("ops", f->count));
    flight_land(w, f);
    while (jobs != NULL) {
        writer_job *next = jobs->next;
        refuse(w, jobs, ERR_OUTCOME_UNKNOWN, "the cluster's log did not confirm the write in time");
        jobs = next;
    }
}

void flight_resend(writer *w)
{
    const writer_log *l = w->log;
    for (flight *f = l->flights; f != NULL; f = f->next) {
        f->sent_ns = clock_ns();
        l->log->publish(l->log->ctx, f->number, encoder_slice(&f->bytes));
    }
}

static uint64_t resend_after(const writer_log *l, const flight *f)
{
    bool silent = l->heard_ns < f->sent_ns;
    return silent && encoder_slice(&f->bytes).length <= SMALL_BYTES ? RESEND_SILENT_NS : RESEND_NS;
}

void flight_tick(writer *w, uint64_t now)
{
    const writer_log *l = w->log;
    for (flight *f = l->flights, *next = NULL; f != NULL; f = next) {
        next = f->next;
        bool large = encoder_slice(&f->bytes).length > l->log->bytes_max(l->log->ctx);
        if (now > f->began_ns + (large ? LARGE_OUTCOME_NS : OUTCOME_NS)) {
            give_up(w, f);
        } else if (now > f->sent_ns + resend_after(l, f)) {
            f->sent_ns = now;
            l->log->publish(l->log->ctx, f->number, encoder_slice(&f->bytes));
        }
    }
}
