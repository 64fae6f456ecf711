#include "server/options/explain.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/options/command.h"
#include "server/options/serve_options.h"

/* Sockets are not all: the log, LMDB's files, pipes, spools. */
enum { OTHER_FILES = 64, VALUE_BYTES = 512 };

static double mib(uint64_t bytes)
{
    return (double)bytes / (1024 * 1024);
}

static void explain_disk(const char *folder, const serve_options *o, const store_info *info)
{
    struct statvfs fs;
    if (statvfs(folder, &fs) != 0) {
        return;
    }
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    fprintf(stderr, "disk: %.0f MiB free; the store takes %.1f MiB, of which %.1f MiB in use\n",
            mib(room), mib(info->file_bytes), mib(info->used_bytes));
    if (room < info->file_bytes) {
        fprintf(stderr, "warning: an import or a snapshot needs as much again and would not fit\n");
    }
    if (o->quota > room + info->file_bytes) {
        fprintf(stderr, "warning: the quota of %.0f MiB is more than the disk can give\n",
                mib(o->quota));
    }
    if (o->quota > 0 && o->quota < info->used_bytes) {
        fprintf(stderr,
                "warning: the store uses more than the quota of %.0f MiB: additions are "
                "refused\n",
                mib(o->quota));
    }
}

static void explain_limits(const serve_options *o)
{
    struct rlimit limit;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        fprintf(stderr,
                "warning: address space is limited to %.0f MiB (ulimit -v), and so is the "
                "store\n",
                mib(limit.rlim_cur));
    }
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        fprintf(stderr,
                "warning: files are limited to %.0f MiB (ulimit -f): writes beyond are "
                "refused\n",
                mib(limit.rlim_cur));
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        fprintf(stderr, "open files: %llu (ulimit -n) for %lld connections\n",
                (unsigned long long)limit.rlim_cur, (long long)o->connections_max);
        if (limit.rlim_cur < (rlim_t)o->connections_max + OTHER_FILES) {
            fprintf(stderr, "warning: connections_max wants ulimit -n of at least %lld\n",
                    (long long)o->connections_max + OTHER_FILES);
        }
    }
    fprintf(stderr, "processors: %ld for %lld threads\n", processors, (long long)o->threads);
    if (processors > 0 && o->threads > 4 * processors) {
        fprintf(stderr, "warning: more than four threads a processor only wait for each other\n");
    }
}

static void explain_settings(const option_values *values)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    for (size_t i = 0; values->table[i].name != NULL; i++) {
        const option *o = &values->table[i];
        char text[VALUE_BYTES];
        if (values->source[i] == OPTION_FROM_DEFAULT || strcmp(o->name, "store") == 0) {
            continue;
        }
        options_text(o, values->into, text, sizeof text);
        fprintf(stderr, "setting: %s = %s (%s)\n", o->name, text, sources[values->source[i]]);
    }
}

void explain_service(const char *folder, const char *file, const store_info *info)
{
    serve_options serve;
    option_values values;
    err e = ERR_INIT;
    char flag[] = "--store", value[4096];
    char *arguments[] = {flag, value};
    option_input input = {.argc = 2, .argv = arguments, .file = file, .known = command_knows_key};
    memset(&serve, 0, sizeof serve);
    snprintf(value, sizeof value, "%s", folder);
    if (options_read(&values, serve_option_table, &serve, &input, &e) != ERR_OK) {
        fprintf(stderr, "warning: stair serve would not start: %s\n", e.text);
    } else {
        explain_settings(&values);
        explain_disk(folder, &serve, info);
        explain_limits(&serve);
    }
    options_fini(&values);
}
