/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_interactions reads the files of interactions. It checks every line, turns ids into rows,
 * and keeps the interactions in memory until all lines are read, because duplicates and splits
 * depend on all of them.
 */

#include "core/common/mem.h"
#include "storage/import/delimited.h"
#include "storage/import/import_columns.h"
#include "storage/import/import_interaction_cells.h"
#include "storage/import/import_state.h"
#include "storage/records/interactions.h"
#include "storage/records/users.h"

enum { TICK_EVERY = 16384 };

static err_code read_line(import_state *s, const slice *fields, const import_columns *c,
                          uint64_t line, size_t file, err *e)
{
    interaction_cells cells = {.flags = 0};
    for (size_t role = 0; role < ROLES; role++) {
        if (c->at[role] != SIZE_MAX) {
            cells.of[role] = fields[c->at[role]];
        }
    }
    return import_interaction_read(s, &cells, line, file, e);
}

static err_code read_lines(import_state *s, delimited *d, const import_columns *c, size_t file,
                           err *e)
{
    const char *path = s->files[file];
    uint64_t total = import_file_bytes(path);
    const slice *fields = NULL;
    err_code code = ERR_OK;
    err why = ERR_INIT;
    for (uint64_t n = 1; code == ERR_OK; n++) {
        code = delimited_next(d, &fields, &why);
        if (code == ERR_OK && fields == NULL) {
            break;
        }
        s->report->lines++;
        if (code == ERR_OK) {
            code = read_line(s, fields, c, delimited_line(d), file, &why);
            if (code != ERR_OK) {
                err_context(&why, "%s:%llu", path, (unsigned long long)delimited_line(d));
            }
        }
        if (code != ERR_OK) {
            code = import_bad_line(s, &why, e);
            why.code = ERR_OK;
        } else if (n % TICK_EVERY == 0) {
            code = import_tick(s, "reading interactions", delimited_bytes(d), total, e);
        }
    }
    return code;
}

static err_code read_delimited(import_state *s, text_source *source, size_t file, err *e)
{
    delimited *d = NULL;
    import_columns *c = mem_array(1, sizeof *c);
    if (c == NULL) {
        text_source_close(source);
        return err_nomem(e, "the columns of a file");
    }
    err_code code = import_table_of(s, source, false, &d, e);
    if (code == ERR_OK) {
        code = import_columns_find(c, s, false, d, e);
        if (code != ERR_OK) {
            err_context(e, "%s:1", s->files[file]);
        }
    }
    if (code == ERR_OK) {
        s->has_split = s->has_split || c->at[ROLE_SPLIT] != SIZE_MAX;
        code = read_lines(s, d, c, file, e);
    }
    delimited_close(d);
    mem_free(c);
    return code;
}

static err_code read_file(import_state *s, size_t file, err *e)
{
    text_source *source = NULL;
    err_code code = text_source_open(&source, s->files[file], e);
    if (code != ERR_OK) {
        return code;
    }
    return text_source_is_json(source) ? import_interactions_jsonl(s, source, file, e)
                                       : read_delimited(s, source, file, e);
}

err_code import_interactions(import_state *s, err *e)
{
    const import_options *o = s->options;
    for (size_t i = 0; i < 3; i++) {
        s->files[i] = o->interactions != NULL && i == 0 ? o->interactions : o->parts[i];
    }
    err_code code = ERR_OK;
    s->current = &s->faults[1];
    for (size_t i = 0; code == ERR_OK && i < 3; i++) {
        err why = ERR_INIT;
        why.code = s->files[i] != NULL ? read_file(s, i, &why) : ERR_OK;
        code = import_file_read(s, &why, e);
    }
    if (code == ERR_OK && s->files[0] != NULL && s->edge_count == 0 && !import_faulty(s)) {
        code = err_set(e, ERR_INVALID, "%s: none of %llu lines is an interaction to import%s",
                       s->files[0], (unsigned long long)s->report->lines,
                       s->report->unknown_items > 0 ? "; their items are not among the items" : "");
    }
    return code;
}
