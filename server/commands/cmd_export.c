/*
 * stair export: the content of a store as JSON lines, which import reads back.
 *
 * Either both files into a folder, or one part on standard output. A file gets its name only when
 * it is complete, so a run that fails leaves no half a file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/options/command.h"
#include "storage/export.h"

typedef struct export_arguments {
    const char *store;
    const char *to;
    bool json;
} export_arguments;

static const option table[] = {
    OPTION_STORE(export_arguments),
    {.name = "to",
     .key = "export-to",
     .type = OPTION_TEXT,
     .offset = offsetof(export_arguments, to),
     .value = "DIR",
     .help = "folder for items.jsonl and interactions.jsonl; made if missing"},
    OPTION_JSON(export_arguments),
    OPTION_END};

enum { PATH_BYTES = 4096 };

static err_code write_lines(void *ctx, const char *data, size_t bytes, err *e)
{
    FILE *file = ctx;
    if (interrupt_requested(NULL)) {
        return err_set(e, ERR_CANCELLED, "interrupted");
    }
    if (fwrite(data, 1, bytes, file) != bytes) {
        return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "cannot write: %s", strerror(errno));
    }
    return ERR_OK;
}

typedef err_code (*export_part)(store_read *, export_sink, void *, export_counts *, err *);

static err_code write_part(store_read *r, const char *dir, const char *name, export_part part,
                           export_counts *counts, err *e)
{
    char path[PATH_BYTES];
    char half[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= PATH_BYTES - 8) {
        return err_set(e, ERR_INVALID, "--to: the folder's name is too long");
    }
    snprintf(half, sizeof half, "%.*s.tmp", PATH_BYTES - 8, path);
    FILE *file = fopen(half, "wb");
    if (file == NULL) {
        return err_set(e, ERR_IO, "%s: cannot write: %s", half, strerror(errno));
    }
    err_code code = part(r, write_lines, file, counts, e);
    if (code == ERR_OK && (fflush(file) != 0 || fsync(fileno(file)) != 0)) {
        code = err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "cannot write: %s", strerror(errno));
    }
    fclose(file);
    if (code == ERR_OK && rename(half, path) != 0) {
        code = err_set(e, ERR_IO, "cannot rename to %s: %s", path, strerror(errno));
    }
    if (code != ERR_OK) {
        unlink(half);
        err_context(e, "%s", half);
    }
    return code;
}

/* Which part the argument names, or NULL. */
static export_part part_of(const char *name)
{
    return strcmp(name, "items") == 0          ? export_items
           : strcmp(name, "interactions") == 0 ? export_interactions
                                               : NULL;
}

static err_code check_arguments(const command_call *call, const export_arguments *a, err *e)
{
    size_t rest = call->values->rest_count;
    if (a->to != NULL && rest > 0) {
        return command_usage(call, e, "%s: with --to both parts are written",
                             call->values->rest[0]);
    }
    if (a->to == NULL && (rest != 1 || part_of(call->values->rest[0]) == NULL)) {
        return command_usage(call, e, "expected --to DIR, or items or interactions");
    }
    if (a->to == NULL && a->json) {
        return command_usage(call, e, "--json: standard output is for the %s",
                             call->values->rest[0]);
    }
    return ERR_OK;
}

static err_code write_folder(store_read *r, const export_arguments *a, err *e)
{
    export_counts items = {0};
    export_counts interactions = {0};
    if (mkdir(a->to, 0777) != 0 && errno != EEXIST) {
        return err_set(e, ERR_IO, "%s: cannot make the folder: %s", a->to, strerror(errno));
    }
    err_code code = write_part(r, a->to, "items.jsonl", export_items, &items, e);
    if (code == ERR_OK) {
        code = write_part(r, a->to, "interactions.jsonl", export_interactions, &interactions, e);
    }
    if (code == ERR_OK && a->json) {
        printf("{\"items\":%llu,\"interactions\":%llu,\"bytes\":%llu}\n",
               (unsigned long long)items.lines, (unsigned long long)interactions.lines,
               (unsigned long long)(items.bytes + interactions.bytes));
    } else if (code == ERR_OK) {
        fprintf(stderr, "%s: %llu items, %llu interactions\n", a->to,
                (unsigned long long)items.lines, (unsigned long long)interactions.lines);
    }
    return code;
}

static err_code run(const command_call *call, err *e)
{
    const export_arguments *a = call->options;
    store *s = NULL;
    store_read *r = NULL;
    store_options how = {.mode = STORE_READ, .now = clock_now()};
    err_code code = check_arguments(call, a, e);
    if (code == ERR_OK) {
        code = store_open(&s, a->store, &how, e);
    }
    if (code == ERR_OK) {
        code = store_read_begin(s, &r, e);
    }
    if (code == ERR_OK && a->to != NULL) {
        code = write_folder(r, a, e);
    } else if (code == ERR_OK) {
        code = part_of(call->values->rest[0])(r, write_lines, stdout, NULL, e);
        if (code == ERR_OK && fflush(stdout) != 0) {
            code = err_set(e, ERR_IO, "cannot write: %s", strerror(errno));
        }
    }
    store_read_end(r);
    store_close(s);
    return code;
}

const command cmd_export = {.name = "export",
                            .summary = "write items and interactions as JSON lines",
                            .usage = "[items|interactions]",
                            .options = table,
                            .options_bytes = sizeof(export_arguments),
                            .run = run};
