/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/delimited.h"

#include <string.h>

#include "core/common/mem.h"

enum { BUFFER_BYTES = 256 * 1024, SEPARATOR_BYTES_MAX = 2 };

struct delimited {
    text_source *source;
    char separator[SEPARATOR_BYTES_MAX + 1];
    bool quotes;   /* fields may be quoted */
    char line_end; /* '\n', or '\r' in a file without any '\n' */

    /* The bytes read ahead: buffer[from, to). */
    char *buffer;
    size_t from, to;

    /* The current record: its text with quotes resolved, and where its fields start. */
    char *text;
    size_t length, capacity;
    size_t *starts; /* (field_count), into text */
    slice *fields;  /* (columns) */
    size_t field_count;
    bool quoted;      /* a field of the record was quoted, so the line is not empty */
    bool last_quoted; /* the last field was quoted, so a carriage return at its end is content */
    uint64_t line, next_line;

    char *header;
    slice *names;          /* (columns), into header */
    delimited_kind *kinds; /* (columns) */
    size_t columns;
};

/* peek_byte sets *byte to the next byte, which stays unread, or to -1 at the end. */
static err_code peek_byte(delimited *d, int *byte, err *e)
{
    err_code code = ERR_OK;
    if (d->from == d->to) {
        d->from = d->to = 0;
        code = text_source_read(d->source, d->buffer, BUFFER_BYTES, &d->to, e);
    }
    *byte = code == ERR_OK && d->from < d->to ? (unsigned char)d->buffer[d->from] : -1;
    return code;
}

static err_code add_bytes(delimited *d, const char *bytes, size_t count, err *e)
{
    if (d->length + count > DELIMITED_LINE_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "longer than %d bytes", DELIMITED_LINE_BYTES_MAX);
    }
    char *text = mem_reserve(d->text, &d->capacity, d->length + count, 1);
    if (text == NULL) {
        return err_nomem(e, "a line");
    }
    d->text = text;
    memcpy(d->text + d->length, bytes, count);
    d->length += count;
    return ERR_OK;
}

/* add_run adds the bytes up to the next one that may end a field or a line. */
static err_code add_run(delimited *d, err *e)
{
    const char *at = d->buffer + d->from;
    size_t most = d->to - d->from;
    size_t count = 0;
    while (count < most && at[count] != d->separator[0] && at[count] != d->line_end) {
        count++;
    }
    d->from += count;
    return add_bytes(d, at, count, e);
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

/* read_quoted reads a quoted field after its opening quote, including the closing one. */
static err_code read_quoted(delimited *d, err *e)
{
    d->quoted = d->last_quoted = true;
    for (;;) {
        int byte = 0;
        err_code code = peek_byte(d, &byte, e);
        if (code == ERR_OK && byte < 0) {
            code = err_set(e, ERR_INVALID, "a quote is not closed");
        }
        if (code != ERR_OK) {
            return code;
        }
        d->from++;
        if (byte == '"') {
            code = peek_byte(d, &byte, e);
            if (code != ERR_OK || byte != '"') {
                return code;
            }
            d->from++;
        }
        d->next_line += byte == d->line_end;
        char one = (char)byte;
        code = add_bytes(d, &one, 1, e);
        if (code != ERR_OK) {
            return code;
        }
    }
}

/* after_quoted checks that a separator, a line end or the end of the file follows a closing
 * quote. */
static err_code after_quoted(delimited *d, err *e)
{
    int byte = 0;
    err_code code = peek_byte(d, &byte, e);
    if (code == ERR_OK && byte == '\r' && d->line_end == '\n') {
        d->from++;
        code = peek_byte(d, &byte, e);
        if (code == ERR_OK && byte != '\n' && byte >= 0) {
            return err_set(e, ERR_INVALID, "text after a closing quote");
        }
    }
    if (code == ERR_OK && byte >= 0 && byte != d->separator[0] && byte != d->line_end) {
        return err_set(e, ERR_INVALID, "text after a closing quote");
    }
    return code;
}

/* take_separator reads a separator. If only the first byte of a longer separator is there, that
 * byte is content. */
static err_code take_separator(delimited *d, size_t *start, err *e)
{
    int next = 0;
    d->from++;
    if (d->separator[1] == '\0') {
        d->last_quoted = false;
        return end_field(d, start, e);
    }
    err_code code = peek_byte(d, &next, e);
    if (code == ERR_OK && next == (unsigned char)d->separator[1]) {
        d->from++;
        return end_field(d, start, e);
    }
    return code == ERR_OK ? add_bytes(d, d->separator, 1, e) : code;
}

/* read_record reads one record into text, starts and field_count. *end is true if there was
 * none. */
static err_code read_record(delimited *d, bool *end, err *e)
{
    size_t start = 0;
    int byte = 0;
    d->length = d->field_count = 0;
    d->quoted = d->last_quoted = false;
    d->line = d->next_line;
    err_code code = peek_byte(d, &byte, e);
    *end = byte < 0;
    while (code == ERR_OK && byte >= 0 && byte != d->line_end) {
        if (byte == (unsigned char)d->separator[0]) {
            code = take_separator(d, &start, e);
        } else if (byte == '"' && d->quotes && d->length == start && !d->last_quoted) {
            d->from++;
            code = read_quoted(d, e);
            if (code == ERR_OK) {
                code = after_quoted(d, e);
            }
        } else {
            code = add_run(d, e);
        }
        if (code == ERR_OK) {
            code = peek_byte(d, &byte, e);
        }
    }
    if (code != ERR_OK || *end) {
        return code;
    }
    if (byte >= 0) {
        d->from++;
        d->next_line++;
    }
    if (d->length > start && d->text[d->length - 1] == '\r' && !d->last_quoted) {
        d->length--;
    }
    return end_field(d, &start, e);
}

/* skip_line skips the rest of a line that could not be read. */
static void skip_line(delimited *d)
{
    int byte = 0;
    while (peek_byte(d, &byte, NULL) == ERR_OK && byte >= 0) {
        d->from++;
        if (byte == d->line_end) {
            d->next_line++;
            break;
        }
    }
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
    err_context(e, "%s:%llu", text_source_name(d->source), (unsigned long long)d->line);
    return code;
}

/* check_joint refuses a file made by joining files, which repeats the header, and the byte order
 * mark before it. */
static err_code check_joint(const delimited *d, err *e)
{
    slice first = d->fields[0];
    if (first.length >= 3 && memcmp(first.at, "\xef\xbb\xbf", 3) == 0) {
        return err_set(e, ERR_INVALID,
                       "begins with a byte order mark, as if two files had been joined");
    }
    for (size_t i = 0; i < d->columns; i++) {
        slice name = d->names[i], field = d->fields[i];
        bool same = field.length >= name.length && memcmp(field.at, name.at, name.length) == 0 &&
                    (field.length == name.length || field.at[name.length] == ':');
        if (!same) {
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "repeats the header, as if two files had been joined");
}

err_code delimited_next(delimited *d, const slice **fields, err *e)
{
    *fields = NULL;
    for (;;) {
        bool end = false;
        err_code code = read_record(d, &end, e);
        if (code == ERR_INVALID) {
            skip_line(d);
        }
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
    err_code code = check_joint(d, e);
    if (code != ERR_OK) {
        return context_line(d, code, e);
    }
    *fields = d->fields;
    return ERR_OK;
}

/* --- the first line --- */

/* count_in counts a separator in a line, outside of quotes. */
static size_t count_in(slice line, const char *separator)
{
    size_t length = strlen(separator);
    size_t count = 0;
    bool inside = false;
    for (size_t i = 0; i + length <= line.length; i++) {
        inside = inside != (line.at[i] == '"');
        if (!inside && memcmp(line.at + i, separator, length) == 0) {
            count++;
            i += length - 1;
        }
    }
    return count;
}

static const char *guess_separator(slice line)
{
    size_t semicolons = count_in(line, ";");
    size_t commas = count_in(line, ",");
    if (memchr(line.at, '\t', line.length) != NULL) {
        return "\t";
    }
    if (count_in(line, "::") > 0) {
        return "::";
    }
    if (semicolons > commas) {
        return ";";
    }
    return commas == 0 && count_in(line, "|") > 0 ? "|" : ",";
}

/* fitting_separator returns the separator that gives as many fields as the caller named columns. */
static const char *fitting_separator(slice line, size_t columns)
{
    static const char *const all[] = {"\t", "::", ";", ",", "|"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (count_in(line, all[i]) + 1 == columns) {
            return all[i];
        }
    }
    return guess_separator(line);
}

/* look_at_line decides the separator and the line ends, before the first record is read. */
static err_code look_at_line(delimited *d, const delimited_options *o, err *e)
{
    slice ahead = text_source_ahead(d->source);
    if (ahead.length == 0) {
        return err_set(e, ERR_INVALID, "the file is empty; expected %s",
                       o->header != NULL ? "lines" : "a header line");
    }
    bool mac = memchr(ahead.at, '\n', ahead.length) == NULL &&
               memchr(ahead.at, '\r', ahead.length) != NULL;
    d->line_end = mac ? '\r' : '\n';
    const char *end = memchr(ahead.at, d->line_end, ahead.length);
    slice line = {ahead.at, end != NULL ? (size_t)(end - ahead.at) : ahead.length};
    if (memchr(line.at, '\0', line.length) != NULL) {
        return err_set(e, ERR_INVALID, "a NUL byte in the first line; expected text");
    }
    const char *separator = o->separator;
    if (separator == NULL && o->header != NULL) {
        separator = fitting_separator(line, count_in(slice_of(o->header), ",") + 1);
    } else if (separator == NULL) {
        separator = guess_separator(line);
    }
    strncpy(d->separator, separator, SEPARATOR_BYTES_MAX);
    d->quotes = strcmp(separator, ",") == 0 || strcmp(separator, ";") == 0;
    return ERR_OK;
}

/* strip_suffix turns "item_id:token" into the column item_id. */
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

/* take_names sets the caller's names as the columns. */
static err_code take_names(delimited *d, const char *header, err *e)
{
    size_t start = 0;
    err_code code = ERR_OK;
    for (const char *at = header; code == ERR_OK; at++) {
        size_t length = strcspn(at, ",");
        code = add_bytes(d, at, length, e);
        if (code == ERR_OK) {
            code = end_field(d, &start, e);
        }
        at += length;
        if (*at == '\0') {
            break;
        }
    }
    return code;
}

static err_code read_header(delimited *d, const delimited_options *o, err *e)
{
    bool end = false;
    err_code code = look_at_line(d, o, e);
    if (code == ERR_OK) {
        code = o->header != NULL ? take_names(d, o->header, e) : read_record(d, &end, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (d->length == 0 && d->field_count <= 1) {
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
    return ERR_OK;
}

err_code delimited_open(delimited **out, text_source *source, const delimited_options *options,
                        err *e)
{
    *out = NULL;
    delimited *d = mem_array(1, sizeof *d);
    if (d == NULL) {
        text_source_close(source);
        return err_nomem(e, "a file's reader");
    }
    d->source = source;
    d->next_line = d->line = 1;
    d->capacity = 4096;
    d->buffer = mem_array(BUFFER_BYTES, 1);
    d->text = mem_array(d->capacity, 1);
    d->starts = mem_array(DELIMITED_COLUMNS_MAX, sizeof *d->starts);
    d->fields = mem_array(DELIMITED_COLUMNS_MAX, sizeof *d->fields);
    err_code code = ERR_OK;
    if (!d->buffer || !d->text || !d->starts || !d->fields) {
        code = err_nomem(e, "a file's reader");
    } else {
        code = read_header(d, options, e);
    }
    if (code != ERR_OK) {
        err_context(e, "%s:1", text_source_name(source));
        delimited_close(d);
        return code;
    }
    *out = d;
    return ERR_OK;
}

void delimited_close(delimited *d)
{
    if (d != NULL) {
        text_source_close(d->source);
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

const char *delimited_separator(const delimited *d)
{
    return d->separator;
}

uint64_t delimited_line(const delimited *d)
{
    return d->line;
}

uint64_t delimited_bytes(const delimited *d)
{
    return text_source_bytes(d->source);
}
