/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/delimited.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/common/mem.h"

enum { BUFFER_BYTES = 256 * 1024, QUOTE_SHOWN = 60 };

struct delimited {
    FILE *file;
    char *name;
    char separator;

    /* What was read ahead: buffer[from, to). */
    char *buffer;
    size_t from, to;
    uint64_t bytes; /* read from the file */

    /* The record being read: its text with quotes resolved, and where the fields start. */
    char *text;
    size_t length, capacity;
    size_t *starts; /* (field_count), into text */
    slice *fields;  /* (columns) */
    size_t field_count;
    bool quoted;      /* a field of the record was in quotes: the line is not empty */
    bool last_quoted; /* the last one was: a carriage return at its end is content */
    uint64_t line, next_line;

    char *header;
    slice *names;          /* (columns), into header */
    delimited_kind *kinds; /* (columns) */
    size_t columns;
};

/* The next byte, -1 at the end, -2 on an error. */
static int next_byte(delimited *d)
{
    if (d->from == d->to) {
        d->to = fread(d->buffer, 1, BUFFER_BYTES, d->file);
        d->from = 0;
        d->bytes += d->to;
        if (d->to == 0) {
            return ferror(d->file) ? -2 : -1;
        }
    }
    return (unsigned char)d->buffer[d->from++];
}

static err_code add_byte(delimited *d, int byte, err *e)
{
    if (d->length == d->capacity) {
        if (d->length >= DELIMITED_LINE_BYTES_MAX) {
            return err_set(e, ERR_INVALID, "longer than %d bytes", DELIMITED_LINE_BYTES_MAX);
        }
        size_t capacity = d->capacity * 2;
        char *grown = mem_grow(d->text, capacity, 1);
        if (grown == NULL) {
            return err_nomem(e, "a line");
        }
        d->text = grown;
        d->capacity = capacity;
    }
    d->text[d->length++] = (char)byte;
    return ERR_OK;
}

static err_code end_field(delimited *d, size_t *start, err *e)
{
    if (d->field_count == DELIMITED_COLUMNS_MAX) {
        return err_set(e, ERR_INVALID, "more than %d fields", DELIMITED_COLUMNS_MAX);
    }
    d->starts[d->field_count++] = *start;
    *start = d->length;
    return ERR_OK;
}

/* Reads a quoted field after its opening quote; leaves the byte after the closing one in *byte. */
static err_code read_quoted(delimited *d, int *byte, err *e)
{
    d->quoted = d->last_quoted = true;
    for (;;) {
        int b = next_byte(d);
        if (b == '"') {
            b = next_byte(d);
            if (b != '"') {
                *byte = b;
                return ERR_OK;
            }
        } else if (b < 0) {
            return err_set(e, b == -1 ? ERR_INVALID : ERR_IO, "a quote is not closed");
        }
        d->next_line += b == '\n';
        err_code code = add_byte(d, b, e);
        if (code != ERR_OK) {
            return code;
        }
    }
}

static err_code after_quoted(delimited *d, int *byte, err *e)
{
    if (*byte == '\r') {
        *byte = next_byte(d);
        if (*byte != '\n') {
            return err_set(e, ERR_INVALID, "text after a closing quote");
        }
    }
    if (*byte != d->separator && *byte != '\n' && *byte >= 0) {
        return err_set(e, ERR_INVALID, "text after a closing quote");
    }
    return ERR_OK;
}

/* Reads one record into text, starts and field_count; *end tells that there was none. */
static err_code read_record(delimited *d, bool *end, err *e)
{
    size_t start = 0;
    d->length = d->field_count = 0;
    d->quoted = d->last_quoted = false;
    d->line = d->next_line;
    int byte = next_byte(d);
    *end = byte == -1;
    while (byte >= 0 && byte != '\n') {
        err_code code = ERR_OK;
        if (byte == d->separator) {
            code = end_field(d, &start, e);
            d->last_quoted = false;
        } else if (byte == '"' && d->separator == ',' && d->length == start) {
            code = read_quoted(d, &byte, e);
            code = code == ERR_OK ? after_quoted(d, &byte, e) : code;
            if (code == ERR_OK) {
                continue;
            }
        } else {
            code = add_byte(d, byte, e);
        }
        if (code != ERR_OK) {
            return code;
        }
        byte = next_byte(d);
    }
    if (byte == -2) {
        return err_set(e, ERR_IO, "cannot read: %s", strerror(errno));
    }
    d->next_line += byte == '\n';
    if (d->length > start && d->text[d->length - 1] == '\r' && !d->last_quoted) {
        d->length--;
    }
    return end_field(d, &start, e);
}

static void find_fields(delimited *d)
{
    for (size_t i = 0; i < d->field_count; i++) {
        size_t end = i + 1 < d->field_count ? d->starts[i + 1] : d->length;
        d->fields[i] = (slice){d->text + d->starts[i], end - d->starts[i]};
    }
}

static err_code context_line(delimited *d, err_code code, err *e)
{
    err_context(e, "%s:%llu", d->name, (unsigned long long)d->line);
    return code;
}

err_code delimited_next(delimited *d, const slice **fields, err *e)
{
    *fields = NULL;
    for (;;) {
        bool end = false;
        err_code code = read_record(d, &end, e);
        if (code != ERR_OK) {
            return context_line(d, code, e);
        }
        if (end) {
            return ERR_OK;
        }
        if (d->length > 0 || d->quoted || d->field_count > 1) {
            break;
        }
    }
    if (d->field_count != d->columns) {
        err_set(e, ERR_INVALID, "expected %zu fields, not %zu", d->columns, d->field_count);
        return context_line(d, ERR_INVALID, e);
    }
    find_fields(d);
    *fields = d->fields;
    return ERR_OK;
}

/* "item_id:token" is the column item_id. */
static delimited_kind strip_suffix(slice *name)
{
    static const struct {
        const char *text;
        delimited_kind kind;
    } suffixes[] = {{":token", DELIMITED_TOKEN},
                    {":float", DELIMITED_FLOAT},
                    {":token_seq", DELIMITED_TOKENS},
                    {":float_seq", DELIMITED_FLOATS}};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t length = strlen(suffixes[i].text);
        if (name->length > length &&
            memcmp(name->at + name->length - length, suffixes[i].text, length) == 0) {
            name->length -= length;
            return suffixes[i].kind;
        }
    }
    return DELIMITED_PLAIN;
}

static err_code check_names(delimited *d, err *e)
{
    for (size_t i = 0; i < d->columns; i++) {
        if (d->names[i].length == 0) {
            return err_set(e, ERR_INVALID, "column %zu has no name", i + 1);
        }
        for (size_t other = 0; other < i; other++) {
            if (slice_equal(d->names[i], d->names[other])) {
                return err_set(
                    e, ERR_INVALID, "column \"%.*s\" is there twice",
                    (int)(d->names[i].length < QUOTE_SHOWN ? d->names[i].length : QUOTE_SHOWN),
                    d->names[i].at);
            }
        }
    }
    return ERR_OK;
}

/* The header decides the separator, so its bytes are looked at before it is read as a record. */
static err_code find_separator(delimited *d, err *e)
{
    int byte = next_byte(d);
    if (byte >= 0) {
        d->from--;
    }
    if (d->to >= 3 && memcmp(d->buffer, "\xef\xbb\xbf", 3) == 0) {
        d->from = 3;
    }
    if (byte == -2) {
        return err_set(e, ERR_IO, "cannot read: %s", strerror(errno));
    }
    if (d->from == d->to) {
        return err_set(e, ERR_INVALID, "the file is empty; expected a header line");
    }
    if (d->to >= 2 && memcmp(d->buffer, "\x1f\x8b", 2) == 0) {
        return err_set(e, ERR_INVALID, "compressed by gzip; expected plain text: gunzip it first");
    }
    const char *at = d->buffer + d->from;
    const char *end = memchr(at, '\n', d->to - d->from);
    size_t length = end != NULL ? (size_t)(end - at) : d->to - d->from;
    if (memchr(at, '\0', length) != NULL) {
        return err_set(e, ERR_INVALID, "a NUL byte in the header; expected text");
    }
    d->separator = memchr(at, '\t', length) != NULL ? '\t' : ',';
    return ERR_OK;
}

static err_code read_header(delimited *d, err *e)
{
    bool end = false;
    err_code code = find_separator(d, e);
    if (code == ERR_OK) {
        code = read_record(d, &end, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (d->length == 0 && d->field_count == 1) {
        return err_set(e, ERR_INVALID, "the first line is empty; expected the columns' names");
    }
    d->columns = d->field_count;
    d->header = mem_copy(d->text, d->length);
    d->names = mem_array(d->columns, sizeof *d->names);
    d->kinds = mem_array(d->columns, sizeof *d->kinds);
    if (d->header == NULL || d->names == NULL || d->kinds == NULL) {
        return err_nomem(e, "a header");
    }
    find_fields(d);
    for (size_t i = 0; i < d->columns; i++) {
        d->names[i] = (slice){d->header + d->starts[i], d->fields[i].length};
        d->kinds[i] = strip_suffix(&d->names[i]);
    }
    return check_names(d, e);
}

err_code delimited_open_file(delimited **out, FILE *file, const char *name, err *e)
{
    *out = NULL;
    delimited *d = mem_array(1, sizeof *d);
    if (d == NULL) {
        fclose(file);
        return err_nomem(e, "a file's reader");
    }
    d->file = file;
    d->next_line = d->line = 1;
    d->capacity = 4096;
    d->name = mem_string(name, strlen(name));
    d->buffer = mem_array(BUFFER_BYTES, 1);
    d->text = mem_array(d->capacity, 1);
    d->starts = mem_array(DELIMITED_COLUMNS_MAX, sizeof *d->starts);
    d->fields = mem_array(DELIMITED_COLUMNS_MAX, sizeof *d->fields);
    err_code code = ERR_OK;
    if (!d->name || !d->buffer || !d->text || !d->starts || !d->fields) {
        code = err_nomem(e, "a file's reader");
    } else {
        code = read_header(d, e);
    }
    if (code != ERR_OK) {
        err_context(e, "%s:1", name);
        delimited_close(d);
        return code;
    }
    *out = d;
    return ERR_OK;
}

err_code delimited_open(delimited **out, const char *path, err *e)
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
    return delimited_open_file(out, file, path, e);
}

void delimited_close(delimited *d)
{
    if (d != NULL) {
        fclose(d->file);
        mem_free(d->name);
        mem_free(d->buffer);
        mem_free(d->text);
        mem_free(d->starts);
        mem_free(d->fields);
        mem_free(d->header);
        mem_free(d->names);
        mem_free(d->kinds);
        mem_free(d);
    }
}

delimited_kind delimited_column_kind(const delimited *d, size_t index)
{
    return d->kinds[index];
}

size_t delimited_columns(const delimited *d)
{
    return d->columns;
}

slice delimited_column(const delimited *d, size_t index)
{
    return d->names[index];
}

uint64_t delimited_line(const delimited *d)
{
    return d->line;
}

uint64_t delimited_bytes(const delimited *d)
{
    return d->bytes - (d->to - d->from);
}
