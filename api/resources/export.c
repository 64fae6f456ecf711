/* SPDX-License-Identifier: Apache-2.0 */
/* export: GET /export/items and /export/interactions. An export is first written to an unlinked
 * file, so that a slow receiver keeps no read transaction open. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/handlers.h"
#include "api/web/cost.h"
#include "storage/exchange/export.h"

typedef err_code (*export_function)(store_read *r, export_sink sink, void *ctx,
                                    export_counts *counts, err *e);

static err_code file_failed(err *e)
{
    err_code code = errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
    return err_set(e, code, "writing an export's spool file failed");
}

typedef struct spool {
    context *c;
    FILE *file;
    size_t pieces;
} spool;

/* Pieces between two checks that the client is still there. */
enum { PIECES_BETWEEN = 64 };

static err_code sink(void *ctx, const char *data, size_t bytes, err *e)
{
    spool *s = ctx;
    err_code code = s->pieces++ % PIECES_BETWEEN == 0 ? cost_go_on(s->c, e) : ERR_OK;
    if (code == ERR_OK) {
        code = spools_grow(&s->c->response->spool, bytes, e);
    }
    if (code == ERR_OK && fwrite(data, 1, bytes, s->file) != bytes) {
        code = file_failed(e);
    }
    return code;
}

static err_code spool_open(const context *c, FILE **out, err *e)
{
    char path[4096];
    const char *dir = c->deps->spool_dir != NULL ? c->deps->spool_dir : "/tmp";
    snprintf(path, sizeof path, "%s/stair-export-XXXXXX", dir);
    int file = mkstemp(path);
    if (file < 0) {
        return file_failed(e);
    }
    unlink(path);
    *out = fdopen(file, "w+");
    if (*out == NULL) {
        close(file);
        return err_nomem(e, "an export");
    }
    return ERR_OK;
}

static err_code export_to(context *c, export_function function, FILE *file, err *e)
{
    spool to = {c, file, 0};
    store_read *read;
    export_counts counts = {0, 0};
    err_code code = store_read_begin(c->deps->store, &read, e);
    if (code != ERR_OK) {
        return code;
    }
    code = function(read, sink, &to, &counts, e);
    store_read_end(read);
    if (code == ERR_OK && fflush(file) != 0) {
        code = file_failed(e);
    }
    if (code == ERR_OK) {
        c->response->file = dup(fileno(file));
        c->response->file_bytes = counts.bytes;
        c->response->content_type = "application/x-ndjson";
        if (c->response->file < 0) {
            code = file_failed(e);
        }
    }
    return code;
}

/* Interactions that one unit of work writes. An item with its features is one unit. */
static const double EXPORTED = 10;

static cost_units export_cost(const context *c, export_function function)
{
    view_stats stats;
    view_stats_get(c->view, &stats);
    return function == export_items ? 1 + (double)stats.items
                                    : 1 + (double)stats.interactions / EXPORTED;
}

static err_code export_get(context *c, export_function function, err *e)
{
    FILE *file;
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        context_view(c);
        code = cost_bounded(c, export_cost(c, function), e);
        context_view_end(c); /* it takes long, and does not need the view */
    }
    if (code == ERR_OK) {
        code = spools_begin(c->spools, &c->response->spool, e);
    }
    if (code == ERR_OK) {
        code = spool_open(c, &file, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    code = export_to(c, function, file, e);
    fclose(file);
    return code;
}

err_code handle_export_items_get(context *c, err *e)
{
    return export_get(c, export_items, e);
}

err_code handle_export_interactions_get(context *c, err *e)
{
    return export_get(c, export_interactions, e);
}
