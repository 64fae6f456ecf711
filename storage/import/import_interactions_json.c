/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_interactions_json reads interactions as JSON lines: in the API's shape, which export
 * writes, or with the members of other tools. The latter are treated like the cells of a table, so
 * every option has the same effect.
 */
#include <string.h>

#include "storage/exchange/interaction_json.h"
#include "storage/import/import_interaction_cells.h"
#include "storage/import/import_state.h"
#include "storage/import/json_members.h"
#include "storage/import/jsonl.h"

enum { TICK_EVERY = 16384 };

static void first_problem(void *ctx, const char *pointer, const char *detail)
{
    err *why = ctx;
    err_set(why, ERR_INVALID, "%s: %s", pointer[0] != '\0' ? pointer : "the document", detail);
}

/* note_split records that the file has splits of its own, and refuses options that contradict
 * them. */
static err_code note_split(import_state *s, const char *member, err *e)
{
    s->has_split = true;
    if (s->options->split != IMPORT_SPLIT_UNSET || s->options->parts[0] != NULL) {
        return err_set(e, ERR_INVALID, "/%.60s: the file has a split already; leave out %s", member,
                       s->options->parts[0] != NULL ? "train=, valid= and test=" : "--split");
    }
    return ERR_OK;
}

/* check_time requires a time in every line for --split time. A line without one would get the time
 * of the import, which is later than all others, so all such lines would fall into the test
 * split. */
static err_code check_time(const import_state *s, const json_t *document, err *e)
{
    if (s->options->split == IMPORT_SPLIT_TIME && json_object_get(document, "timestamp") == NULL) {
        return err_set(e, ERR_INVALID, "/timestamp: missing, which --split time needs");
    }
    return ERR_OK;
}

/* is_plain tells whether a line is in the API's shape and no option asks for more than its reader
 * handles. */
static bool is_plain(const import_options *o, const json_t *document)
{
    static const char *const known[] = {"user",   "item",  "type", "timestamp",
                                        "weight", "split", "edge", "seen"};
    bool optioned = o->has_min_rating || o->weights_are_counts || o->timezone != NULL ||
                    (o->time_unit != 0.0 && o->time_unit != 1.0) || o->maps.count > 0 ||
                    o->ignored_columns != NULL;
    size_t found = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        found += json_object_get(document, known[i]) != NULL;
    }
    return !json_is_object(document) || /* the reader of the API's shape refuses it */
           (!optioned && found == json_object_size(document) &&
            json_is_string(json_object_get(document, "user")) &&
            json_is_string(json_object_get(document, "item")));
}

static err_code read_plain(import_state *s, const json_t *document, uint64_t line, size_t file,
                           err *e)
{
    err why = ERR_INIT;
    err local = ERR_INIT;
    interaction_json_options how = {.types = s->options->types,
                                    .now = s->options->now,
                                    .with_split = true,
                                    .memory = &s->scratch,
                                    .report = first_problem,
                                    .report_ctx = &why};
    op_interaction x;
    err_code code = interaction_json_read(document, &how, &x, &local);
    if (code != ERR_OK) {
        json_members_time(s, document, "timestamp", &why);
        return err_set(e, code, "%s", code == ERR_INVALID ? why.text : local.text);
    }
    if (json_object_get(document, "split") != NULL) {
        code = note_split(s, "split", e);
    }
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

/* read_flag reads the members "edge" and "seen", which tables do not have. */
static err_code read_flag(json_member *m, const json_t *value, interaction_cells *cells, err *e)
{
    uint8_t flag = strcmp(m->name, "edge") == 0 ? EDGE_IN_GRAPH : EDGE_SEEN;
    if (!json_is_boolean(value)) {
        return err_set(e, ERR_INVALID, "/%s: expected true or false", m->name);
    }
    cells->flags_given |= flag;
    cells->flags |= json_is_true(value) ? flag : 0;
    m->used++;
    return ERR_OK;
}

/* settle handles a member without a role: an option leaves it out, it gives way to a better name,
 * or it is refused. */
static err_code settle(const import_state *s, json_member *m, const json_t *value,
                       interaction_cells *cells, err *e)
{
    if (m->own && m->meaning.role == ROLE_NONE && !m->meaning.left_out) {
        return read_flag(m, value, cells, e);
    }
    if (m->meaning.left_out || m->meaning.rank == RANK_LATE || column_ignores_unknown(s)) {
        m->dropped++;
        return ERR_OK;
    }
    return err_set(e, ERR_INVALID,
                   "/%.60s: unknown member; an interaction has user, item, timestamp, rating, "
                   "weight, type, split, edge, seen, and the usual names for them; leave it out "
                   "with --ignore-columns %.60s ('*' leaves out all unknown ones), or name its "
                   "meaning, for example --map item=%.60s",
                   m->name, m->name, m->name);
}

static err_code take_cell(import_state *s, const json_roles *roles, import_role role, slice *out,
                          err *e)
{
    const json_t *value = roles->value[role];
    bool id = role == ROLE_USER || role == ROLE_ITEM;
    const char *name = roles->of[role]->name;
    if ((id && !json_is_string(value) && !json_is_integer(value)) || json_is_object(value) ||
        json_is_array(value)) {
        return err_set(e, ERR_INVALID, "/%.60s: expected a text or a %snumber", name,
                       id ? "whole " : "");
    }
    roles->of[role]->used++;
    return json_members_cell(value, &s->scratch, out) ? ERR_OK : err_nomem(e, "an interaction");
}

static err_code read_members(import_state *s, json_members *members, const json_t *document,
                             interaction_cells *cells, err *e)
{
    json_roles roles;
    const char *name;
    json_t *value;
    err_code code = json_members_roles(members, document, &roles, e);
    json_object_foreach((json_t *)document, name, value)
    {
        json_member *m = NULL;
        if (code == ERR_OK) {
            code = json_members_find(members, name, &m, e);
        }
        if (code == ERR_OK && roles.of[m->meaning.role] != m) {
            code = settle(s, m, value, cells, e);
        }
    }
    if (code == ERR_OK && roles.of[ROLE_SPLIT] != NULL) {
        code = note_split(s, roles.of[ROLE_SPLIT]->name, e);
    }
    for (import_role role = ROLE_NONE + 1; code == ERR_OK && role < ROLES; role++) {
        if (roles.of[role] != NULL) {
            code = take_cell(s, &roles, role, &cells->of[role], e);
        }
    }
    for (import_role role = ROLE_ITEM; code == ERR_OK && role <= ROLE_USER; role++) {
        if (roles.of[role] == NULL) {
            const char *what = import_role_name(role);
            code = err_set(e, ERR_INVALID, "/%s: missing; name it by --map %s=MEMBER", what, what);
        }
    }
    return code;
}

static err_code read_line(import_state *s, json_members *members, const json_t *document,
                          uint64_t line, size_t file, err *e)
{
    static const slice nothing = {"", 0};
    arena_reset(&s->scratch);
    if (is_plain(s->options, document)) {
        return read_plain(s, document, line, file, e);
    }
    interaction_cells cells = {.of[ROLE_TIME] = nothing, .of[ROLE_RATING] = nothing};
    err_code code = read_members(s, members, document, &cells, e);
    return code == ERR_OK ? import_interaction_read(s, &cells, line, file, e) : code;
}

static err_code read_lines(import_state *s, jsonl *lines, json_members *members, size_t file,
                           err *e)
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
            code = read_line(s, members, document, line, file, &why);
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
    return code;
}

err_code import_interactions_jsonl(import_state *s, text_source *source, size_t file, err *e)
{
    jsonl *lines = NULL;
    json_members *members = NULL;
    if (s->options->header != NULL) {
        text_source_close(source);
        return err_set(e, ERR_INVALID,
                       "%s: JSON lines have no header; leave out --header, and name members by "
                       "--map",
                       s->files[file]);
    }
    err_code code = jsonl_open(&lines, source, e);
    if (code == ERR_OK) {
        code = json_members_new(&members, s, false, e);
    }
    if (code == ERR_OK) {
        code = read_lines(s, lines, members, file, e);
    }
    if (code == ERR_OK) {
        json_members_tell(members, s->files[file]);
    }
    json_members_free(members);
    jsonl_close(lines);
    return code;
}
