/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_items_json reads items as JSON lines: in the API's shape, which export writes, or with the
 * members of other tools, which it first converts to the API's shape.
 */
#include "storage/exchange/item_json.h"
#include "storage/import/import_state.h"
#include "storage/import/item_members.h"
#include "storage/import/json_members.h"
#include "storage/import/jsonl.h"

enum { TICK_EVERY = 1024 };

/* first_problem makes a document's first problem the error's text. */
static void first_problem(void *ctx, const char *pointer, const char *detail)
{
    err *why = ctx;
    err_set(why, ERR_INVALID, "%s: %s", pointer[0] != '\0' ? pointer : "the document", detail);
}

static err_code read_item(import_state *s, const json_t *document, uint32_t line, err *e)
{
    err why = ERR_INIT;
    item_json_options how = {.mode = ITEM_JSON_PUT,
                             .now = s->options->now,
                             .memory = &s->scratch,
                             .encoded = true,
                             .report = first_problem,
                             .report_ctx = &why};
    op_item it;
    err local = ERR_INIT;
    err_code code = item_json_read(document, &how, &it, &local);
    if (code != ERR_OK) {
        json_members_time(s, document, "created", &why);
        return err_set(e, code, "%s", code == ERR_INVALID ? why.text : local.text);
    }
    return import_item_put(s, &it, line, e);
}

static err_code read_line(import_state *s, json_members *members, const json_t *document,
                          uint32_t line, err *e)
{
    json_t *own = NULL;
    arena_reset(&s->scratch);
    if (item_members_plain(s->options, document)) {
        return read_item(s, document, line, e);
    }
    err_code code = item_members_translate(&own, s, members, document, e);
    if (code == ERR_OK) {
        code = read_item(s, own, line, e);
    }
    json_decref(own);
    return code;
}

static err_code read_lines(import_state *s, jsonl *file, json_members *members, err *e)
{
    const char *path = s->options->items;
    uint64_t total = import_file_bytes(path);
    const json_t *document = NULL;
    err_code code = ERR_OK;
    while (code == ERR_OK) {
        err why = ERR_INIT;
        code = jsonl_next(file, &document, &why);
        if (code == ERR_OK && document == NULL) {
            break;
        }
        uint64_t line = jsonl_line(file);
        if (code == ERR_OK) {
            code = read_line(s, members, document, (uint32_t)line, &why);
            if (code != ERR_OK) {
                err_context(&why, "%s:%llu", path, (unsigned long long)line);
            }
        }
        if (code != ERR_OK) {
            code = import_bad_line(s, &why, e);
        } else if (line % TICK_EVERY == 0) {
            code = import_tick(s, "reading items", jsonl_bytes(file), total, e);
        }
    }
    return code;
}

err_code import_items_jsonl(import_state *s, text_source *source, err *e)
{
    const char *path = s->options->items;
    jsonl *file = NULL;
    json_members *members = NULL;
    if (s->options->items_header != NULL) {
        text_source_close(source);
        return err_set(e, ERR_INVALID,
                       "%s: JSON lines have no header; leave out --items-header, and name members "
                       "by --map",
                       path);
    }
    err_code code = jsonl_open(&file, source, e);
    if (code == ERR_OK) {
        code = json_members_new(&members, s, true, e);
    }
    if (code == ERR_OK) {
        code = read_lines(s, file, members, e);
    }
    if (code == ERR_OK) {
        json_members_tell(members, path);
    }
    json_members_free(members);
    jsonl_close(file);
    return code;
}
