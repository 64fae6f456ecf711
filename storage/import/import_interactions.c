/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interactions' files: every line is checked, its ids become rows, and it is kept in memory
 * until all lines are known, since duplicates and splits can only be told from all of them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/common/mem.h"
#include "core/common/timestamp.h"
#include "core/common/utf8.h"
#include "storage/import/delimited.h"
#include "storage/import/import_columns.h"
#include "storage/import/import_state.h"
#include "storage/records/interactions.h"
#include "storage/records/users.h"

enum { TICK_EVERY = 16384, USER_RECORD_BYTES = 128 };

static err_code parse_split(slice text, uint8_t *split, err *e)
{
    static const struct {
        const char *word;
        uint8_t split;
    } words[] = {{"0", 0},     {"1", 1},          {"2", 2},   {"train", 0},
                 {"valid", 1}, {"validation", 1}, {"test", 2}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(text, slice_of(words[i].word))) {
            *split = words[i].split;
            return ERR_OK;
        }
    }
    slice shown = utf8_valid(text) ? utf8_cut(text, 40) : slice_of("?");
    return err_set(e, ERR_INVALID, "split: expected 0, 1, 2, train, valid or test, not \"%.*s\"",
                   (int)shown.length, shown.at);
}

static err_code parse_rating(slice text, double *rating, err *e)
{
    char copy[64] = "";
    char *end = copy;
    if (text.length > 0 && text.length < sizeof copy) {
        memcpy(copy, text.at, text.length);
        copy[text.length] = '\0';
        if (strpbrk(copy, "xX") == NULL) { /* strtod would read hexadecimal */
            *rating = strtod(copy, &end);
        }
    }
    if (end == copy || *end != '\0' || !isfinite(*rating)) {
        slice shown = utf8_valid(text) ? utf8_cut(text, 40) : slice_of("?");
        return err_set(e, ERR_INVALID, "rating: expected a number, not \"%.*s\"", (int)shown.length,
                       shown.at);
    }
    return ERR_OK;
}

static err_code parse_time(const import_state *s, slice text, int64_t *time, err *e)
{
    err why = ERR_INIT;
    err_code code = utf8_valid(text) ? timestamp_parse(text, time, &why)
                                     : err_set(&why, ERR_INVALID, "not valid UTF-8");
    if (code == ERR_OK) {
        code = timestamp_check(*time, s->options->now, &why);
    }
    return code == ERR_OK ? ERR_OK : err_set(e, code, "timestamp: %s", why.text);
}

/* The row of a user, made at the first line that is kept. */
static err_code user_row(import_state *s, slice id, uint32_t *row, err *e)
{
    if (id_table_find(s->users, id, row)) {
        return ERR_OK;
    }
    store_write *w = NULL;
    err_code code = import_group(s, USER_RECORD_BYTES, &w, e);
    if (code == ERR_OK) {
        code = user_create(w, id, s->options->now, row, e);
    }
    if (code == ERR_OK) {
        s->user_rows = *row + 1;
        code = id_table_add(s->users, id, *row, e);
    }
    return code;
}

/* Without --items, ids are the numbers of the vectors' rows. */
static err_code refuse_no_row(const import_state *s, slice shown, err *e)
{
    const char *path = s->options->features[0].path;
    uint64_t rows = npy_rows(s->npys[0].reader);
    if (rows == 0) {
        return err_set(e, ERR_INVALID,
                       "item \"%.*s\" has no vector: %s has 0 rows, expected one for each item",
                       (int)shown.length, shown.at, path);
    }
    return err_set(e, ERR_INVALID,
                   "item \"%.*s\" is not the number of a row of %s (0 to %llu); name the items "
                   "of the rows with --items",
                   (int)shown.length, shown.at, path, (unsigned long long)rows - 1);
}

/* The row of an item; ROW_NONE: the line is to be skipped. */
static err_code item_row(import_state *s, slice id, const char *path, uint64_t line, uint32_t *row,
                         err *e)
{
    const import_options *o = s->options;
    if (id_table_find(s->items, id, row)) {
        return ERR_OK;
    }
    slice shown = utf8_cut(id, 60);
    if (o->items == NULL && o->feature_count > 0) {
        return refuse_no_row(s, shown, e);
    }
    if (o->items == NULL || o->unknown_items == IMPORT_UNKNOWN_CREATE) {
        return import_item_bare(s, id, row, e);
    }
    if (o->unknown_items == IMPORT_UNKNOWN_REFUSE) {
        return err_set(e, ERR_INVALID, "item \"%.*s\" is not in %s", (int)shown.length, shown.at,
                       o->items);
    }
    char why[160];
    snprintf(why, sizeof why, "item \"%.*s\" is not among the items", (int)shown.length, shown.at);
    import_skip(s, path, line, why);
    s->report->unknown_items++;
    *row = UINT32_MAX;
    return ERR_OK;
}

static err_code type_number_of(import_state *s, size_t type, uint8_t *number, err *e)
{
    err_code code = ERR_OK;
    if (s->type_numbers[type] < 0) {
        store_write *w = NULL;
        bool is_new = false;
        code = import_group(s, 64, &w, e);
        if (code == ERR_OK) {
            code = type_number(w, slice_of(s->options->types->list[type].name), number, &is_new, e);
        }
        s->type_numbers[type] = (int16_t)(code == ERR_OK ? *number : -1);
    }
    *number = (uint8_t)s->type_numbers[type];
    return code;
}

err_code import_edge_add(import_state *s, const op_interaction *x, size_t type, uint64_t line,
                         size_t file, err *e)
{
    if (s->edge_count == s->edge_capacity) {
        size_t capacity = s->edge_capacity > 0 ? s->edge_capacity + s->edge_capacity / 2 : 4096;
        import_edge *grown = mem_grow(s->edges, capacity, sizeof *grown);
        if (grown == NULL) {
            return err_nomem(e, "the interactions");
        }
        s->edges = grown;
        s->edge_capacity = capacity;
    }
    import_edge edge = {.time = x->time,
                        .line = (uint32_t)line,
                        .weight = x->weight,
                        .file = (uint8_t)file,
                        .split = x->split,
                        .flags = x->flags};
    err_code code = item_row(s, x->item, s->files[file], line, &edge.item, e);
    if (code != ERR_OK || edge.item == UINT32_MAX) {
        return code;
    }
    code = type_number_of(s, type, &edge.type, e);
    if (code == ERR_OK) {
        code = user_row(s, x->user, &edge.user, e);
    }
    if (code == ERR_OK) {
        s->edges[s->edge_count++] = edge;
    }
    return code;
}

static err_code find_type(const import_state *s, slice name, size_t *index, err *e)
{
    const interaction_types *types = s->options->types;
    const interaction_type *type = interaction_types_find(types, name);
    if (type == NULL) {
        slice shown = utf8_valid(name) ? utf8_cut(name, 40) : slice_of("?");
        return err_set(e, ERR_INVALID,
                       "type: \"%.*s\" is not configured; add it to --interaction-types",
                       (int)shown.length, shown.at);
    }
    *index = (size_t)(type - types->list);
    return ERR_OK;
}

/* Reads one line of a delimited file; lines that are rated too low are skipped here. */
static err_code read_line(import_state *s, const slice *fields, const import_columns *c,
                          uint64_t line, size_t file, err *e)
{
    op_interaction x = {.user = fields[c->at[COLUMN_USER]],
                        .item = fields[c->at[COLUMN_ITEM]],
                        .time = s->options->now,
                        .split = (uint8_t)(s->options->parts[0] != NULL ? file : 0)};
    slice type = slice_of(INTERACTION_TYPE_DEFAULT);
    size_t type_index = 0;
    double rating = 0.0;
    err_code code = import_id(x.user, "user", e);
    if (code == ERR_OK) {
        code = import_id(x.item, "item", e);
    }
    if (code == ERR_OK && c->at[COLUMN_TIME] != SIZE_MAX) {
        code = parse_time(s, fields[c->at[COLUMN_TIME]], &x.time, e);
    }
    if (code == ERR_OK && c->at[COLUMN_SPLIT] != SIZE_MAX) {
        code = parse_split(fields[c->at[COLUMN_SPLIT]], &x.split, e);
    }
    if (code == ERR_OK && c->at[COLUMN_RATING] != SIZE_MAX) {
        code = parse_rating(fields[c->at[COLUMN_RATING]], &rating, e);
    }
    if (code == ERR_OK) {
        type = c->at[COLUMN_TYPE] != SIZE_MAX ? fields[c->at[COLUMN_TYPE]] : type;
        code = find_type(s, type, &type_index, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (s->options->has_min_rating && rating < s->options->min_rating) {
        import_skip(s, s->files[file], line, "rated below --min-rating");
        s->report->low_rated++;
        return ERR_OK;
    }
    x.flags = s->options->types->list[type_index].flags;
    x.weight = s->options->types->list[type_index].weight;
    return import_edge_add(s, &x, type_index, line, file, e);
}

static err_code read_delimited(import_state *s, size_t file, err *e)
{
    const char *path = s->files[file];
    uint64_t total = import_file_bytes(path);
    delimited *d = NULL;
    import_columns c;
    const slice *fields = NULL;
    err_code code = delimited_open(&d, path, e);
    if (code != ERR_OK) {
        return code;
    }
    code = import_columns_find(&c, s->options, d, e);
    if (code != ERR_OK) {
        err_context(e, "%s:1", path);
    }
    s->has_split = s->has_split || (code == ERR_OK && c.at[COLUMN_SPLIT] != SIZE_MAX);
    for (uint64_t n = 1; code == ERR_OK; n++) {
        code = delimited_next(d, &fields, e);
        if (code != ERR_OK || fields == NULL) {
            break;
        }
        s->report->lines++;
        code = read_line(s, fields, &c, delimited_line(d), file, e);
        if (code != ERR_OK) {
            err_context(e, "%s:%llu", path, (unsigned long long)delimited_line(d));
        } else if (n % TICK_EVERY == 0) {
            code = import_tick(s, "reading interactions", delimited_bytes(d), total, e);
        }
    }
    delimited_close(d);
    return code;
}

/* JSON lines begin with a brace; a header never does. A pipe cannot be looked into first. */
static bool looks_like_json(const char *path)
{
    struct stat status;
    bool regular = stat(path, &status) == 0 && S_ISREG(status.st_mode);
    FILE *file = regular ? fopen(path, "rb") : NULL;
    int byte = 0;
    if (file != NULL) {
        do {
            byte = getc(file);
        } while (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t' || byte == 0xef ||
                 byte == 0xbb || byte == 0xbf);
        fclose(file);
    }
    return byte == '{';
}

err_code import_interactions(import_state *s, err *e)
{
    const import_options *o = s->options;
    for (size_t i = 0; i < 3; i++) {
        s->files[i] = o->interactions != NULL && i == 0 ? o->interactions : o->parts[i];
    }
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < 3; i++) {
        if (s->files[i] != NULL) {
            code = looks_like_json(s->files[i]) ? import_interactions_jsonl(s, i, e)
                                                : read_delimited(s, i, e);
        }
    }
    if (code == ERR_OK && s->files[0] != NULL && s->edge_count == 0) {
        code = err_set(e, ERR_INVALID, "%s: none of %llu lines is an interaction to import%s",
                       s->files[0], (unsigned long long)s->report->lines,
                       s->report->unknown_items > 0 ? "; their items are not among the items" : "");
    }
    return code;
}
