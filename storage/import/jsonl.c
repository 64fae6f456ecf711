/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/jsonl.h"

#include <stdbool.h>
#include <string.h>

#include "core/common/mem.h"

enum { BUFFER_BYTES = 256 * 1024 };

struct jsonl {
    text_source *source;
    char *buffer; /* (BUFFER_BYTES) bytes read ahead: buffer[from, to) */
    size_t from, to;
    char line_end; /* CR if the file has no LF */
    char *text;
    size_t length, capacity;
    uint64_t line;
    json_t *document;
};

err_code jsonl_open(jsonl **out, text_source *source, err *e)
{
    *out = NULL;
    jsonl *j = mem_array(1, sizeof *j);
    if (j == NULL) {
        text_source_close(source);
        return err_nomem(e, "a reader of JSON lines");
    }
    j->source = source;
    slice ahead = text_source_ahead(source);
    bool mac = memchr(ahead.at, '\n', ahead.length) == NULL &&
               memchr(ahead.at, '\r', ahead.length) != NULL;
    j->line_end = mac ? '\r' : '\n';
    j->capacity = 4096;
    j->buffer = mem_array(BUFFER_BYTES, 1);
    j->text = mem_array(j->capacity, 1);
    if (j->buffer == NULL || j->text == NULL) {
        jsonl_close(j);
        return err_nomem(e, "a reader of JSON lines");
    }
    *out = j;
    return ERR_OK;
}

void jsonl_close(jsonl *j)
{
    if (j != NULL) {
        text_source_close(j->source);
        json_decref(j->document);
        mem_free(j->buffer);
        mem_free(j->text);
        mem_free(j);
    }
}

/* add_bytes appends bytes to the line. It drops those beyond the longest line and sets
 * *too_long. */
static err_code add_bytes(jsonl *j, const char *bytes, size_t count, bool *too_long, err *e)
{
    *too_long = *too_long || j->length + count > JSONL_LINE_BYTES_MAX;
    if (*too_long) {
        return ERR_OK;
    }
    char *text = mem_reserve(j->text, &j->capacity, j->length + count, 1);
    if (text == NULL) {
        return err_nomem(e, "a line");
    }
    j->text = text;
    memcpy(j->text + j->length, bytes, count);
    j->length += count;
    return ERR_OK;
}

/* read_line reads one line without its line end. *end is true if there was none. */
static err_code read_line(jsonl *j, bool *end, err *e)
{
    bool too_long = false;
    const char *stop = NULL;
    j->length = 0;
    j->line++;
    *end = true;
    while (stop == NULL) {
        if (j->from == j->to) {
            j->from = j->to = 0;
            err_code code = text_source_read(j->source, j->buffer, BUFFER_BYTES, &j->to, e);
            if (code != ERR_OK) {
                return code;
            }
            if (j->to == 0) {
                break;
            }
        }
        *end = false;
        const char *at = j->buffer + j->from;
        stop = memchr(at, j->line_end, j->to - j->from);
        size_t count = stop != NULL ? (size_t)(stop - at) : j->to - j->from;
        j->from += count + (stop != NULL);
        err_code code = add_bytes(j, at, count, &too_long, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    return too_long ? err_set(e, ERR_INVALID, "longer than %d bytes", JSONL_LINE_BYTES_MAX)
                    : ERR_OK;
}

static bool blank(const jsonl *j)
{
    for (size_t i = 0; i < j->length; i++) {
        if (j->text[i] != ' ' && j->text[i] != '\t' && j->text[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* likely_cause names the likely cause for common files that are not JSON lines. */
static const char *likely_cause(const jsonl *j)
{
    size_t at = 0;
    while (at < j->length && (j->text[at] == ' ' || j->text[at] == '\t')) {
        at++;
    }
    size_t left = j->length - at;
    if (left > 0 && j->text[at] == '[') {
        return "; expected one object a line, not a list: jq -c '.[]' makes such lines";
    }
    if (left > 1 && j->text[at] == '{' && (j->text[at + 1] == '\'' || j->text[at + 1] == 'u')) {
        return "; this is Python's notation, not JSON: convert it, such as by python3 -c 'import "
               "ast, json, sys; [print(json.dumps(ast.literal_eval(x))) for x in sys.stdin]'";
    }
    return left == 1 && j->text[at] == '{' ? "; expected each object in one line: jq -c . does so"
                                           : "";
}

err_code jsonl_next(jsonl *j, const json_t **document, err *e)
{
    *document = NULL;
    json_decref(j->document);
    j->document = NULL;
    bool end = false;
    err_code code = ERR_OK;
    do {
        code = read_line(j, &end, e);
    } while (code == ERR_OK && !end && blank(j));
    if (code == ERR_OK && !end) {
        json_error_t why;
        j->document = json_loadb(j->text, j->length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
        /* jansson reports lack of memory only in some places; in others it gives no text */
        bool nomem = json_error_code(&why) == json_error_out_of_memory || why.text[0] == '\0';
        if (j->document == NULL) {
            code = nomem ? err_nomem(e, "a JSON document")
                         : err_set(e, ERR_INVALID, "column %d: %s%s", why.column, why.text,
                                   likely_cause(j));
        }
    }
    if (code != ERR_OK) {
        err_context(e, "%s:%llu", text_source_name(j->source), (unsigned long long)j->line);
    }
    *document = j->document;
    return code;
}

uint64_t jsonl_line(const jsonl *j)
{
    return j->line;
}

uint64_t jsonl_bytes(const jsonl *j)
{
    return text_source_bytes(j->source);
}
