/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/jsonl.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "core/common/mem.h"

struct jsonl {
    FILE *file;
    char *name;
    char *text;
    size_t length, capacity;
    uint64_t line, bytes;
    json_t *document;
};

err_code jsonl_open_file(jsonl **out, FILE *file, const char *name, err *e)
{
    *out = NULL;
    jsonl *j = mem_array(1, sizeof *j);
    if (j == NULL) {
        fclose(file);
        return err_nomem(e, "a reader of JSON lines");
    }
    j->file = file;
    j->capacity = 4096;
    j->name = mem_string(name, strlen(name));
    j->text = mem_array(j->capacity, 1);
    if (j->name == NULL || j->text == NULL) {
        jsonl_close(j);
        return err_nomem(e, "a reader of JSON lines");
    }
    *out = j;
    return ERR_OK;
}

err_code jsonl_open(jsonl **out, const char *path, err *e)
{
    *out = NULL;
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: cannot open: %s", path,
                       strerror(errno));
    }
    if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
        fclose(file);
        return err_set(e, ERR_INVALID, "%s: a folder, not a file", path);
    }
    return jsonl_open_file(out, file, path, e);
}

void jsonl_close(jsonl *j)
{
    if (j != NULL) {
        fclose(j->file);
        json_decref(j->document);
        mem_free(j->name);
        mem_free(j->text);
        mem_free(j);
    }
}

static err_code add_byte(jsonl *j, int byte, err *e)
{
    if (j->length == j->capacity) {
        if (j->length >= JSONL_LINE_BYTES_MAX) {
            return err_set(e, ERR_INVALID, "longer than %d bytes", JSONL_LINE_BYTES_MAX);
        }
        char *grown = mem_grow(j->text, j->capacity * 2, 1);
        if (grown == NULL) {
            return err_nomem(e, "a line");
        }
        j->text = grown;
        j->capacity *= 2;
    }
    j->text[j->length++] = (char)byte;
    return ERR_OK;
}

/* Reads one line without its line end; *end: there was none. */
static err_code read_line(jsonl *j, bool *end, err *e)
{
    j->length = 0;
    j->line++;
    int byte = getc_unlocked(j->file);
    *end = byte == EOF;
    for (; byte != EOF && byte != '\n'; byte = getc_unlocked(j->file)) {
        err_code code = add_byte(j, byte, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    if (ferror(j->file)) {
        return err_set(e, ERR_IO, "cannot read: %s", strerror(errno));
    }
    j->bytes += j->length + (byte == '\n');
    if (j->line == 1 && j->length >= 2 && memcmp(j->text, "\x1f\x8b", 2) == 0) {
        return err_set(e, ERR_INVALID, "compressed by gzip; expected plain text: gunzip it first");
    }
    if (j->line == 1 && j->length >= 3 && memcmp(j->text, "\xef\xbb\xbf", 3) == 0) {
        memset(j->text, ' ', 3);
    }
    return ERR_OK;
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
        /* jansson says out of memory only in some places; in others it says nothing */
        bool nomem = json_error_code(&why) == json_error_out_of_memory || why.text[0] == '\0';
        if (j->document == NULL) {
            code = nomem ? err_nomem(e, "a JSON document")
                         : err_set(e, ERR_INVALID, "column %d: %s", why.column, why.text);
        }
    }
    if (code != ERR_OK) {
        err_context(e, "%s:%llu", j->name, (unsigned long long)j->line);
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
    return j->bytes;
}
