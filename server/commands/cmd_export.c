/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair export: writes the content of a store as JSON lines that import can read.
 *
 * It writes either both files into a folder, or one part to standard output. The files get their
 * names only when both are complete, so a run that fails or is interrupted leaves an earlier export
 * intact.
 *
 * A pipe may wait for its reader for hours, and an open read transaction keeps the store's pages
 * from being reused. So a part for a pipe or a terminal is first written to an unlinked file in
 * TMPDIR, and the transaction ends before the first byte is sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/commands/commands.h"
#include "server/telemetry/clock.h"
#include "storage/exchange/export.h"
#include "storage/maintenance/recover.h"

typedef struct export_arguments {
    const char *store;
    const char *to;
    bool json;
} export_arguments;

static const option table[] = {
    OPTION_STORE(export_arguments),
    {.name = "to",
     .key = "export-to",
     OPTION_FIELD(export_arguments, to, OPTION_TEXT),
     .value = "DIR",
     .help = "folder for items.jsonl and interactions.jsonl; made if missing"},
    OPTION_JSON(export_arguments),
    OPTION_END,
};

enum { PATH_BYTES = 4096 };

static err_code cannot_write(err *e)
{
    return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "cannot write: %s", strerror(errno));
}

static err_code write_lines(void *ctx, const char *data, size_t bytes, err *e)
{
    FILE *file = ctx;
    if (interrupt_requested(NULL)) {
        return err_set(e, ERR_CANCELLED, "interrupted");
    }
    if (fwrite(data, 1, bytes, file) != bytes) {
        return cannot_write(e);
    }
    return ERR_OK;
}

typedef err_code (*export_part)(store_read *, export_sink, void *, export_counts *, err *);

/* A file of the folder under a temporary name. It gets its own name when the whole folder is
 * complete. */
typedef struct half_file {
    char path[PATH_BYTES];
    char half[PATH_BYTES];
    export_counts counts;
    bool begun;
} half_file;

/* private_file creates a file that only its owner can read, whatever the umask, because an export
 * shows what users did. The owner may share it. */
static FILE *private_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        (void)fchmod(fd, 0600); /* the file may be left from a killed run of an older version */
    }
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (fd >= 0 && file == NULL) {
        close(fd);
    }
    return file;
}

static err_code half_write(half_file *h, const char *dir, const char *name, export_part part,
                           store_read *r, err *e)
{
    if (snprintf(h->path, sizeof h->path, "%s/%s", dir, name) >= PATH_BYTES - 8) {
        return err_set(e, ERR_INVALID, "--to: the folder's name is too long");
    }
    snprintf(h->half, sizeof h->half, "%.*s.tmp", PATH_BYTES - 8, h->path);
    FILE *file = private_file(h->half);
    if (file == NULL) {
        return err_set(e, ERR_IO, "%s: cannot write: %s", h->half, strerror(errno));
    }
    h->begun = true;
    err_code code = part(r, write_lines, file, &h->counts, e);
    if (code == ERR_OK && (fflush(file) != 0 || fsync(fileno(file)) != 0)) {
        code = cannot_write(e);
    }
    fclose(file);
    if (code != ERR_OK) {
        err_context(e, "%s", h->half);
    }
    return code;
}

static err_code half_name(half_file *h, err *e)
{
    if (rename(h->half, h->path) != 0) {
        return err_set(e, ERR_IO, "%s: cannot rename to %s: %s", h->half, h->path, strerror(errno));
    }
    h->begun = false;
    return ERR_OK;
}

static void half_drop(const half_file *h)
{
    if (h->begun) {
        unlink(h->half);
    }
}

/* part_of returns the part that the argument names, or NULL. */
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
        return command_usage(call, e, "%s: cannot be combined with --to, which writes both parts",
                             call->values->rest[0]);
    }
    if (a->to == NULL && (rest != 1 || part_of(call->values->rest[0]) == NULL)) {
        return command_usage(call, e, "expected --to DIR, items or interactions");
    }
    /* --json from the environment applies to all commands, so it is ignored here. */
    if (a->to == NULL && a->json && options_source(call->values, "json") == OPTION_FROM_FLAG) {
        return command_usage(call, e,
                             "--json: cannot be combined with output of the %s to standard output",
                             call->values->rest[0]);
    }
    return ERR_OK;
}

static void tell(const export_arguments *a, const export_counts *items,
                 const export_counts *interactions)
{
    if (a->json) {
        printf("{\"items\":%llu,\"interactions\":%llu,\"bytes\":%llu}\n",
               (unsigned long long)items->lines, (unsigned long long)interactions->lines,
               (unsigned long long)(items->bytes + interactions->bytes));
    } else {
        printf("%s: %llu items, %llu interactions\n", a->to, (unsigned long long)items->lines,
               (unsigned long long)interactions->lines);
    }
}

static err_code write_folder(store_read *r, const export_arguments *a, err *e)
{
    half_file items = {.begun = false};
    half_file interactions = {.begun = false};
    if (mkdir(a->to, 0700) != 0 && errno != EEXIST) {
        return err_set(e, ERR_IO, "%s: cannot make the folder: %s", a->to, strerror(errno));
    }
    err_code code = half_write(&items, a->to, "items.jsonl", export_items, r, e);
    if (code == ERR_OK) {
        code = half_write(&interactions, a->to, "interactions.jsonl", export_interactions, r, e);
    }
    if (code == ERR_OK) {
        code = half_name(&items, e);
    }
    if (code == ERR_OK) {
        code = half_name(&interactions, e);
    }
    half_drop(&items);
    half_drop(&interactions);
    if (code == ERR_OK) {
        tell(a, &items.counts, &interactions.counts);
    }
    return code;
}

static bool is_file(FILE *file)
{
    struct stat st;
    return fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode);
}

static err_code spool_open(FILE **out, err *e)
{
    char path[PATH_BYTES];
    const char *dir = getenv("TMPDIR");
    dir = dir != NULL && dir[0] != '\0' ? dir : "/tmp";
    *out = NULL;
    if (snprintf(path, sizeof path, "%s/stair-export-XXXXXX", dir) >= PATH_BYTES) {
        return err_set(e, ERR_INVALID, "TMPDIR: the folder's name is too long");
    }
    int fd = mkstemp(path);
    if (fd < 0) {
        return err_set(e, ERR_IO,
                       "%s: cannot make a temporary file: %s; name another folder in TMPDIR", path,
                       strerror(errno));
    }
    unlink(path);
    *out = fdopen(fd, "w+b");
    if (*out == NULL) {
        close(fd);
        return err_nomem(e, "an export");
    }
    return ERR_OK;
}

static err_code copy_out(FILE *spool, err *e)
{
    char block[64 * 1024];
    err_code code = ERR_OK;
    size_t got = 0;
    rewind(spool);
    while (code == ERR_OK && (got = fread(block, 1, sizeof block, spool)) > 0) {
        code = write_lines(stdout, block, got, e);
    }
    if (code == ERR_OK && ferror(spool)) {
        code = err_set(e, ERR_IO, "cannot read the temporary file: %s", strerror(errno));
    }
    return code == ERR_OK && fflush(stdout) != 0 ? cannot_write(e) : code;
}

static err_code write_part(store *s, FILE *to, export_part part, err *e)
{
    store_read *r = NULL;
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = part(r, write_lines, to, NULL, e);
        store_read_end(r);
    }
    return code == ERR_OK && fflush(to) != 0 ? cannot_write(e) : code;
}

/* write_stdout takes over the store, and closes it before anything is sent to a reader that may be
 * slow. */
static err_code write_stdout(store *s, export_part part, err *e)
{
    FILE *spool = NULL;
    err_code code = ERR_OK;
    if (is_file(stdout)) {
        code = write_part(s, stdout, part, e);
        store_close(s);
        return code;
    }
    code = spool_open(&spool, e);
    if (code == ERR_OK) {
        code = write_part(s, spool, part, e);
        if (code == ERR_FULL) {
            err_context(e, "the temporary file in TMPDIR");
        }
    }
    store_close(s);
    if (code == ERR_OK) {
        code = copy_out(spool, e);
    }
    if (spool != NULL) {
        fclose(spool);
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
        code = recover_open(&s, a->store, &how, e);
    }
    if (code == ERR_OK && a->to == NULL) {
        return write_stdout(s, part_of(call->values->rest[0]), e);
    }
    if (code == ERR_OK) {
        code = store_read_begin(s, &r, e);
    }
    if (code == ERR_OK) {
        code = write_folder(r, a, e);
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
