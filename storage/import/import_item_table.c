/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_item_table reads a table of items: RecBole's .item files, CSV and similar formats.
 *
 * It reads the file twice, first to decide the kind of every column, then to make the items. So the
 * file cannot be a pipe.
 */
#include <string.h>
#include <sys/stat.h>

#include "core/common/mem.h"
#include "core/common/utf8.h"
#include "storage/import/column_kinds.h"
#include "storage/import/delimited.h"
#include "storage/import/import_cells.h"
#include "storage/import/import_columns.h"
#include "storage/import/import_state.h"

enum { TICK_EVERY = 4096 };

typedef struct item_table {
    import_state *s;
    delimited *d;
    import_columns columns;
    column_rule rules[DELIMITED_COLUMNS_MAX];
} item_table;

/* The item of the current line. */
typedef struct item_line {
    op_item item;
    attribute *attributes;   /* (ATTRIBUTES_MAX) */
    cell_entries categories; /* the entries of all columns of categories */
} item_line;

static err_code read_text(slice cell, size_t most, slice *out, err *e)
{
    if (cell.length > most) {
        return err_set(e, ERR_INVALID, "expected at most %zu bytes, not %zu", most, cell.length);
    }
    *out = cell;
    return ERR_OK;
}

static err_code expected(const char *what, slice cell, err *e)
{
    slice shown = utf8_cut(cell, 40);
    return err_set(e, ERR_INVALID,
                   "expected %s, not \"%.*s\"; make the column text with --column NAME=text, or "
                   "leave it out with --ignore-columns",
                   what, (int)shown.length, shown.at);
}

static err_code read_attribute(item_table *t, item_line *line, size_t i, slice cell, err *e)
{
    const column_rule *rule = &t->rules[i];
    if (line->item.attribute_count == ATTRIBUTES_MAX) {
        return err_set(e, ERR_INVALID, "more than %d attributes", ATTRIBUTES_MAX);
    }
    attribute *out = &line->attributes[line->item.attribute_count++];
    *out = (attribute){.name = delimited_column(t->d, i)};
    if (rule->kind == KIND_NUMBER) {
        out->kind = ATTRIBUTE_NUMBER;
        return cell_number(cell, &out->number) ? ERR_OK : expected("a number", cell, e);
    }
    if (rule->kind == KIND_BOOL) {
        out->kind = ATTRIBUTE_BOOL;
        return cell_bool(cell, &out->truth) ? ERR_OK : expected("true or false", cell, e);
    }
    if (rule->kind == KIND_TEXTS) {
        cell_entries entries = {.list =
                                    arena_alloc(&t->s->scratch, ATTRIBUTE_TEXTS_MAX, sizeof(slice)),
                                .most = ATTRIBUTE_TEXTS_MAX,
                                .bytes_max = ATTRIBUTE_TEXT_BYTES_MAX,
                                .null_words = t->s->options->null_words};
        err_code code = entries.list != NULL ? cell_list(cell, &rule->form, &entries, e)
                                             : err_nomem(e, "a list");
        out->kind = ATTRIBUTE_TEXTS;
        out->texts = entries.list;
        out->text_count = entries.count;
        return code;
    }
    out->kind = ATTRIBUTE_TEXT;
    return read_text(cell, ATTRIBUTE_TEXT_BYTES_MAX, &out->text, e);
}

static err_code read_cell(item_table *t, item_line *line, size_t i, slice cell, err *e)
{
    op_item *it = &line->item;
    import_role role = t->columns.roles[i];
    if (!utf8_valid(cell)) {
        return err_set(e, ERR_INVALID,
                       "not valid UTF-8; convert the file, such as with iconv -f latin1 -t utf-8");
    }
    if (role == ROLE_ITEM) {
        it->id = cell;
        return import_id(t->s, cell, "item", e);
    }
    if (cell_is_nothing(cell, t->s->options->null_words)) {
        return ERR_OK;
    }
    switch (role) {
    case ROLE_TITLE: return read_text(cell, TITLE_BYTES_MAX, &it->title, e);
    case ROLE_DESCRIPTION: return read_text(cell, DESCRIPTION_BYTES_MAX, &it->description, e);
    case ROLE_CREATED: it->given |= OP_CREATED; return import_time(t->s, cell, &it->created, e);
    case ROLE_HIDDEN:
        return cell_bool(cell, &it->hidden) ? ERR_OK
                                            : err_set(e, ERR_INVALID, "expected true or false");
    default: break;
    }
    return t->rules[i].kind == KIND_CATEGORIES
               ? cell_list(cell, &t->rules[i].form, &line->categories, e)
               : read_attribute(t, line, i, cell, e);
}

static err_code read_line(item_table *t, const slice *cells, err *e)
{
    import_state *s = t->s;
    arena_reset(&s->scratch);
    item_line line = {
        .attributes = arena_alloc(&s->scratch, ATTRIBUTES_MAX, sizeof(attribute)),
        .categories = {.list = arena_alloc(&s->scratch, CATEGORIES_MAX, sizeof(slice)),
                       .most = CATEGORIES_MAX,
                       .bytes_max = CATEGORY_BYTES_MAX,
                       .null_words = s->options->null_words}};
    if (line.attributes == NULL || line.categories.list == NULL) {
        return err_nomem(e, "an item's attributes");
    }
    line.item.given = OP_TITLE | OP_DESCRIPTION | OP_CATEGORIES | OP_ATTRIBUTES;
    for (size_t i = 0; i < t->columns.count; i++) {
        err_code code = t->columns.left_out[i] ? ERR_OK : read_cell(t, &line, i, cells[i], e);
        if (code != ERR_OK) {
            slice name = delimited_column(t->d, i);
            name = utf8_valid(name) ? utf8_cut(name, 60) : slice_of("?");
            err_context(e, "%.*s", (int)name.length, name.at);
            return code;
        }
    }
    line.item.attributes = line.attributes;
    line.item.categories = line.categories.list;
    line.item.category_count = line.categories.count;
    return import_item_put(s, &line.item, (uint32_t)delimited_line(t->d), e);
}

static err_code read_lines(item_table *t, err *e)
{
    const char *path = t->s->options->items;
    uint64_t total = import_file_bytes(path);
    const slice *cells = NULL;
    err_code code = ERR_OK;
    for (uint64_t n = 1; code == ERR_OK; n++) {
        err why = ERR_INIT;
        code = delimited_next(t->d, &cells, &why);
        if (code == ERR_OK && cells == NULL) {
            break;
        }
        if (code == ERR_OK) {
            code = read_line(t, cells, &why);
            if (code != ERR_OK) {
                err_context(&why, "%s:%llu", path, (unsigned long long)delimited_line(t->d));
            }
        }
        if (code != ERR_OK) {
            code = import_bad_line(t->s, &why, e);
        } else if (n % TICK_EVERY == 0) {
            code = import_tick(t->s, "reading items", delimited_bytes(t->d), total, e);
        }
    }
    return code;
}

static err_code check_file(const char *path, err *e)
{
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return err_set(e, ERR_INVALID,
                       "%s: a table of items is read twice, so it cannot come through a pipe; "
                       "write it to a file, or send JSON lines",
                       path);
    }
    return ERR_OK;
}

err_code import_items_table(import_state *s, text_source *source, err *e)
{
    const char *path = s->options->items;
    item_table *t = mem_array(1, sizeof *t);
    err_code code = t != NULL ? check_file(path, e) : err_nomem(e, "a table of items");
    if (code != ERR_OK) {
        text_source_close(source);
        mem_free(t);
        return code;
    }
    t->s = s;
    code = import_table_of(s, source, true, &t->d, e);
    if (code == ERR_OK) {
        code = import_columns_find(&t->columns, s, true, t->d, e);
        if (code != ERR_OK) {
            err_context(e, "%s:1", path);
        }
    }
    if (code == ERR_OK) {
        code = column_kinds_decide(s, &t->columns, t->rules, e);
    }
    if (code == ERR_OK) {
        code = read_lines(t, e);
    }
    delimited_close(t->d);
    mem_free(t);
    return code;
}
