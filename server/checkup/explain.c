/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/explain.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/checkup/memory_table.h"
#include "server/cli/command.h"
#include "storage/log/oplog.h"

/* Descriptors that are not of ordinary clients: the log, LMDB's files, pipes, spools, and the
 * connections that are reserved. */
enum {
    OTHER_FILES = 64 + CONNECTIONS_RESERVED + CONNECTIONS_OF_ADMIN,
    VALUE_BYTES = 512,
    LINE_BYTES = 768
};

__attribute__((format(printf, 3, 4))) static void tell(const explain_to *to, bool warning,
                                                       const char *fmt, ...)
{
    char text[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    to->line(to->ctx, warning, text);
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1024 * 1024);
}

/* --- comparisons -------------------------------------------------------------------------- */

static void compare_disk(const explain_to *to, const machine *m, const store_info *info)
{
    if (m->disk != NULL && strcmp(m->disk, "tmpfs") == 0) {
        tell(to, true,
             "the store is on a tmpfs, which is memory: it is lost when the machine restarts");
    } else if (m->disk != NULL) {
        tell(to, true,
             "the store is on a network file system (%s), where its memory map may be damaged: "
             "move it to a local disk",
             m->disk);
    }
    if (m->disk_free == MACHINE_NO_LIMIT) {
        return;
    }
    tell(to, false, "disk: %.0f MiB free; the store takes %.1f MiB, of which %.1f MiB are in use",
         mib(m->disk_free), mib(info->file_bytes), mib(info->used_bytes));
    if (m->disk_free < info->file_bytes) {
        tell(to, true,
             "an import or a snapshot needs the same space again and would not fit: keep snapshots "
             "elsewhere (snapshot_dir) or enlarge the disk");
    }
}

/* compare_quota compares the quota with the free disk space. Without a quota, only the disk limits
 * the file: the map takes addresses, but no disk. */
static void compare_quota(const explain_to *to, const machine *m, const serve_options *o,
                          const store_info *info)
{
    uint64_t room = m->disk_free != MACHINE_NO_LIMIT ? m->disk_free + info->file_bytes : 0;
    if (o->quota == 0) {
        tell(to, false,
             "quota: none; the map reserves 1 TiB of addresses, no disk and no memory, and "
             "the file may grow until the disk is full (quota = %.0fMiB would leave a tenth)",
             mib(room / 10 * 9));
        return;
    }
    tell(to, false, "quota: %.0f MiB, and a reserve for deletions; %.0f %% of it are used",
         mib(o->quota), 100 * (double)info->used_bytes / (double)o->quota);
    uint64_t log = oplog_bytes_limit((uint64_t)o->oplog_bytes, (uint64_t)o->quota);
    if (log < (uint64_t)o->oplog_bytes) {
        tell(to, true,
             "the log of writes may take an eighth of the quota, %.1f MiB, and not the %.1f MiB of "
             "oplog_bytes: raise the quota, or lower oplog_bytes",
             mib(log), mib((uint64_t)o->oplog_bytes));
    }
    if (room > 0 && o->quota > room) {
        tell(to, true, "the quota of %.0f MiB is more than the disk can give: at most %.0f MiB",
             mib(o->quota), mib(room));
    }
    if (o->quota < info->used_bytes) {
        tell(to, true,
             "the store uses more than the quota of %.0f MiB: additions are refused; raise "
             "it, or prune generations",
             mib(o->quota));
    } else if (info->used_bytes > o->quota / 10 * 9) {
        tell(to, true,
             "the store uses over nine tenths of the quota of %.0f MiB: raise it, or prune "
             "generations",
             mib(o->quota));
    }
}

static void compare_limits(const explain_to *to, const machine *m, const serve_options *o)
{
    if (m->address_space != MACHINE_NO_LIMIT) {
        tell(to, true, "address space is limited to %.0f MiB (ulimit -v), and so is the store",
             mib(m->address_space));
    }
    if (m->file_bytes != MACHINE_NO_LIMIT) {
        tell(to, true,
             "files are limited to %.0f MiB (ulimit -f): writes that need more are refused",
             mib(m->file_bytes));
    }
    if (m->open_files != MACHINE_NO_LIMIT) {
        uint64_t wanted = (uint64_t)o->connections_max + OTHER_FILES;
        tell(to, false, "open files: %llu (ulimit -n) for %lld connections",
             (unsigned long long)m->open_files, (long long)o->connections_max);
        if (m->open_files < wanted) {
            tell(to, true, "connections_max needs ulimit -n of at least %llu, not %llu",
                 (unsigned long long)wanted, (unsigned long long)m->open_files);
        }
    }
}

static void compare_processors(const explain_to *to, const machine *m, const serve_options *o)
{
    double given = m->quota > 0 && m->quota < m->processors ? m->quota : m->processors;
    int64_t threads = o->threads > 0 ? o->threads : (int64_t)ceil(given);
    tell(to, false, "processors: %g for %lld threads of requests, %lld of the background", given,
         (long long)threads, (long long)o->background_threads);
    if ((double)threads > 4 * given) {
        tell(to, true, "%lld threads for %g processors compete with each other: set threads = %.0f",
             (long long)threads, given, ceil(given));
    }
    if (o->background_threads > 1 && (double)o->background_threads > given) {
        tell(to, true,
             "background_threads = %lld can take every processor from requests while they run",
             (long long)o->background_threads);
    }
    if ((double)o->train_threads > given) {
        tell(to, true, "train_threads = %lld are more than the %g processors",
             (long long)o->train_threads, given);
    }
}

static void compare_generation(const explain_to *to, const explain_store *s)
{
    if (s->info.generation > 0 && !s->memory.trained) {
        tell(to, true,
             "generation %u is active but its tables are missing, so lists are of popular items: "
             "train a new one with stair train",
             s->info.generation);
    }
}

static void compare_memory(const explain_to *to, const machine *m, const serve_options *o,
                           const footprint *f, uint64_t items)
{
    memory_row rows[MEMORY_ROWS];
    double given = m->quota > 0 && m->quota < m->processors ? m->quota : m->processors;
    uint64_t requests = memory_table(rows, o, (unsigned)ceil(given), items);
    tell(to, false,
         "memory: about %.0f MiB while serving%s, %.0f MiB while a generation is loaded; the "
         "machine has %.0f MiB",
         mib(f->resident), f->trained ? "" : " once trained", mib(f->most), mib(m->memory));
    tell(to, false, "memory of a training: at least %.0f MiB, in a process of its own",
         mib(f->training));
    for (size_t i = 0; i < MEMORY_ROWS; i++) {
        tell(to, false, "memory of %s: at most %.1f MiB (%s)", rows[i].what, mib(rows[i].bytes),
             rows[i].from);
    }
    tell(to, false, "memory that callers can cause: at most %.1f MiB, the sum of these",
         mib(requests));
    tell(to, false, "disk that exports can take: at most %.0f MiB (spool_bytes_max)",
         mib(o->spool_bytes_max));
    if (f->most > m->memory) {
        tell(to, true,
             "the store does not fit: %.0f MiB while a generation is loaded, of %.0f MiB "
             "of memory",
             mib(f->most), mib(m->memory));
    } else if (f->most + requests > m->memory) {
        tell(to, true,
             "requests at their limits do not fit beside the store: lower body_bytes_max, "
             "bodies_bytes_max, answers_bytes_max, queue_bytes_max or work_threads, or give %.0f "
             "MiB",
             mib(f->most + requests));
    } else if (f->most + requests + f->training > m->memory) {
        tell(to, true,
             "a training does not fit beside the service and requests at their limits: train on "
             "another machine, or give %.0f MiB",
             mib(f->most + requests + f->training));
    }
}

static void compare_times(const explain_to *to, const machine *m, const serve_options *o)
{
    double most = o->drain_delay + o->stop_timeout;
    tell(to, false, "stopping: at most %g s (drain_delay + stop_timeout), and the last commit",
         most);
    if (most >= m->stop_seconds) {
        tell(to, true,
             "a stop may take %g s, but %s kills the service after %g s by default; raise its "
             "limit (TimeoutStopSec, terminationGracePeriodSeconds, stop_grace_period)",
             most, m->stopper, m->stop_seconds);
    }
    if (o->propagate_within < o->propagate_every) {
        tell(to, true,
             "propagate_within = %g s is less than propagate_every = %g s, which takes precedence",
             o->propagate_within, o->propagate_every);
    }
}

void explain_machine(const explain_to *to, const machine *m, const serve_options *o,
                     const explain_store *s)
{
    compare_disk(to, m, &s->info);
    compare_quota(to, m, o, &s->info);
    compare_limits(to, m, o);
    compare_processors(to, m, o);
    compare_generation(to, s);
    compare_memory(to, m, o, &s->memory, s->info.item_rows);
    compare_times(to, m, o);
}

/* --- settings ----------------------------------------------------------------------------- */

static void explain_settings(const explain_to *to, const option_values *values)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    for (size_t i = 0; values->table[i].name != NULL; i++) {
        const option *o = &values->table[i];
        char text[VALUE_BYTES];
        if (values->source[i] == OPTION_FROM_DEFAULT || strcmp(o->name, "store") == 0) {
            continue;
        }
        options_text(o, values->into, text, sizeof text);
        tell(to, false, "setting: %s = %s (%s)", o->name, text, sources[values->source[i]]);
    }
}

void explain_service(const explain_to *to, store *s, const char *file)
{
    serve_options serve;
    option_values values;
    explain_store about;
    machine here;
    err e = ERR_INIT;
    char store_flag[] = "--store", dir[4096];
    char file_flag[] = "--config", path[4096];
    char *arguments[] = {store_flag, dir, file_flag, path};
    option_input input = {.argc = 4, .argv = arguments, .known = command_knows_key};
    memset(&serve, 0, sizeof serve);
    snprintf(dir, sizeof dir, "%s", store_dir(s));
    /* an empty path means no file, and STAIR_CONFIG is then ignored too */
    snprintf(path, sizeof path, "%s", file != NULL ? file : "");
    if (options_read(&values, serve_option_table, &serve, &input, &e) != ERR_OK) {
        tell(to, true, "stair serve would not start: %s", e.text);
    } else if (store_stat(s, &about.info, &e) != ERR_OK ||
               footprint_of(&about.memory, s, &e) != ERR_OK) {
        tell(to, true, "the store cannot be measured: %s", e.text);
    } else {
        explain_settings(to, &values);
        machine_look(&here, store_dir(s));
        explain_machine(to, &here, &serve, &about);
    }
    options_fini(&values);
}
