/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_edge: imports an interaction of a file. It finds the rows of its ids, keeps the
 * interaction in memory until all lines are read, and writes its record.
 */
#include <stdio.h>

#include "core/common/mem.h"
#include "core/common/utf8.h"
#include "storage/import/import_state.h"
#include "storage/records/interactions.h"
#include "storage/records/users.h"

enum { USER_RECORD_BYTES = 128 };

/* user_row returns the row of a user, creating it at the first line that is kept. */
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

/* refuse_no_row explains an unknown id: without --items, ids must be row numbers of the vectors. */
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

/* item_row returns the row of an item, or ROW_NONE if the line must be skipped. */
static err_code item_row(import_state *s, slice id, const char *path, uint64_t line, uint32_t *row,
                         err *e)
{
    const import_options *o = s->options;
    if (id_table_find(s->items, id, row)) {
        return ERR_OK;
    }
    if (s->faults[0].files > 0 || s->faults[0].lines > s->options->bad_lines_max) {
        /* the items' file has faults, so its items are not all known: do not blame this line */
        *row = UINT32_MAX;
        return ERR_OK;
    }
    slice shown = utf8_cut(id, 60);
    if (o->items == NULL && o->feature_count > 0) {
        return refuse_no_row(s, shown, e);
    }
    if (o->items == NULL || o->unknown_items == IMPORT_UNKNOWN_CREATE) {
        s->report->hidden_items += o->items != NULL;
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

interaction import_edge_record(const import_edge *x)
{
    return (interaction){.user = x->user,
                         .item = x->item,
                         .type = x->type,
                         .split = x->split,
                         .flags = x->flags,
                         .weight = x->weight,
                         .time = x->time};
}

void import_edge_count(import_state *s, const import_edge *x)
{
    import_report *r = s->report;
    r->new_interactions++;
    uint64_t *of_split = x->split == 0 ? &r->train : x->split == 1 ? &r->valid : &r->test;
    (*of_split)++;
}
