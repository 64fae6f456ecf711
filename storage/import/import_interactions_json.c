/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interactions as JSON lines, as export writes them.
 */
#include <string.h>

#include "storage/exchange/interaction_json.h"
#include "storage/import/import_state.h"
#include "storage/import/jsonl.h"

enum { TICK_EVERY = 16384 };

static void first_problem(void *ctx, const char *pointer, const char *detail)
{
    err *why = ctx;
    err_set(why, ERR_INVALID, "%s: %s", pointer[0] != '\0' ? pointer : "the document", detail);
}

static err_code check_split(import_state *s, const json_t *document, err *e)
{
    if (json_object_get(document, "split") == NULL) {
        return ERR_OK;
    }
    s->has_split = true;
    if (s->options->split != IMPORT_SPLIT_UNSET || s->options->parts[0] != NULL) {
        return err_set(e, ERR_INVALID, "/split: the file has a split already; leave out %s",
                       s->options->parts[0] != NULL ? "train=, valid= and test=" : "--split");
    }
    return ERR_OK;
}

/* A time of import in its place would be after all others, so every such line would be in the test
 * split. */
static err_code check_time(const import_state *s, const json_t *document, err *e)
{
    if (s->options->split == IMPORT_SPLIT_TIME && json_object_get(document, "timestamp") == NULL) {
        return err_set(e, ERR_INVALID, "/timestamp: missing, which --split time needs");
    }
    return ERR_OK;
}

static err_code read_line(import_state *s, const json_t *document, uint64_t line, size_t file,
                          err *e)
{
    err why = ERR_INIT;
    err local = ERR_INIT;
    arena_reset(&s->scratch);
    interaction_json_options how = {.types = s->options->types,
                                    .now = s->options->now,
                                    .with_split = true,
                                    .memory = &s->scratch,
                                    .report = first_problem,
                                    .report_ctx = &why};
    op_interaction x;
    err_code code = interaction_json_read(document, &how, &x, &local);
    if (code != ERR_OK) {
        return err_set(e, code, "%s", code == ERR_INVALID ? why.text : local.text);
    }
    code = check_split(s, document, e);
    if (code == ERR_OK) {
        code = check_time(s, document, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (s->options->parts[0] != NULL) {
        x.split = (uint8_t)file;
    }
    const interaction_types *types = s->options->types;
    size_t type = (size_t)(interaction_types_find(types, x.type) - types->list);
    return import_edge_add(s, &x, type, line, file, e);
}

static err_code read_lines(import_state *s, jsonl *lines, size_t file, err *e)
{
    const char *path = s->files[file];
    uint64_t total = import_file_bytes(path);
    const json_t *document = NULL;
    err_code code = ERR_OK;
    while (code == ERR_OK) {
        err why = ERR_INIT;
        code = jsonl_next(lines, &document, &why);
        if (code == ERR_OK && document == NULL) {
            break;
        }
        uint64_t line = jsonl_line(lines);
        s->report->lines++;
        if (code == ERR_OK) {
            code = read_line(s, document, line, file, &why);
            if (code != ERR_OK) {
                err_context(&why, "%s:%llu", path, (unsigned long long)line);
            }
        }
        if (code != ERR_OK) {
            code = import_bad_line(s, &why, e);
        } else if (line % TICK_EVERY == 0) {
            code = import_tick(s, "reading interactions", jsonl_bytes(lines), total, e);
        }
    }
    return code == ERR_OK ? import_bad_lines_end(s, e) : code;
}

err_code import_interactions_jsonl(import_state *s, text_source *source, size_t file, err *e)
{
    jsonl *lines = NULL;
    if (s->options->has_min_rating) {
        text_source_close(source);
        return err_set(e, ERR_INVALID, "%s: JSON lines have no rating, which --min-rating needs",
                       s->files[file]);
    }
    err_code code = jsonl_open(&lines, source, e);
    code = code == ERR_OK ? read_lines(s, lines, file, e) : code;
    jsonl_close(lines);
    return code;
}
