/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/item_members.h"

#include <string.h>

#include "storage/import/column_kinds.h"
#include "storage/import/import_cells.h"

/* A larger number becomes text, because a double would change it. */
static const json_int_t whole_max = (json_int_t)1 << 53;

typedef struct translation {
    import_state *s;
    /* new documents; the last two become members of the first */
    json_t *out, *attributes, *categories;
    bool foreign; /* the id's member is not called "id" */
} translation;

static bool times_optioned(const import_options *o)
{
    return o->timezone != NULL || (o->time_unit != 0.0 && o->time_unit != 1.0);
}

bool item_members_plain(const import_options *o, const json_t *document)
{
    static const char *const known[] = {"id",         "title",   "description", "categories",
                                        "attributes", "created", "hidden",      "features"};
    bool optioned = times_optioned(o) || o->maps.count > 0 || o->columns.count > 0 ||
                    o->ignored_columns != NULL;
    size_t found = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        found += json_object_get(document, known[i]) != NULL;
    }
    return !json_is_object(document) || /* the reader of the API's shape refuses it */
           (!optioned && found == json_object_size(document) &&
            json_is_string(json_object_get(document, "id")));
}

static err_code set(json_t *object, const char *name, json_t *value, err *e)
{
    return json_object_set_new(object, name, value) == 0 ? ERR_OK : err_nomem(e, "an item");
}

static json_t *text_new(slice text)
{
    return json_stringn(text.at, text.length);
}

static err_code unexpected(const json_member *m, const char *what, err *e)
{
    return err_set(e, ERR_INVALID, "/%.60s: expected %s; leave it out with --ignore-columns %.60s",
                   m->name, what, m->name);
}

/* --- lists --- */

/* add_split adds the entries of a text that lists several, such as "Bars, Pizza". */
static err_code add_split(translation *t, json_t *list, slice text, err *e)
{
    const import_options *o = t->s->options;
    slice entries[ATTRIBUTE_TEXTS_MAX];
    list_form form = {.quoted = false};
    if (o->list_separator != NULL) {
        memcpy(form.separator, o->list_separator, strlen(o->list_separator) + 1);
    } else {
        list_form_note(&form, text);
    }
    cell_entries found = {.list = entries,
                          .most = ATTRIBUTE_TEXTS_MAX,
                          .bytes_max = ATTRIBUTE_TEXT_BYTES_MAX,
                          .null_words = o->null_words};
    err_code code = cell_list(text, &form, &found, e);
    for (uint32_t i = 0; code == ERR_OK && i < found.count; i++) {
        if (json_array_append_new(list, text_new(found.list[i])) != 0) {
            code = err_nomem(e, "a list");
        }
    }
    return code;
}

/* is_foreign_entry tells whether a list may not contain this entry: objects are not allowed, and
 * numbers only if an option asks for them as texts. */
static bool is_foreign_entry(const json_t *entry, bool numbers)
{
    return json_is_object(entry) || (json_is_number(entry) && !numbers);
}

static err_code add_entry(translation *t, json_t *list, const json_t *entry, err *e)
{
    slice text = {NULL, 0};
    if (!json_members_cell(entry, &t->s->scratch, &text)) {
        return err_nomem(e, "a list");
    }
    if (cell_is_nothing(text, t->s->options->null_words)) {
        return ERR_OK;
    }
    if (json_array_size(list) == ATTRIBUTE_TEXTS_MAX) {
        return err_set(e, ERR_INVALID, "expected at most %d entries in a list",
                       ATTRIBUTE_TEXTS_MAX);
    }
    return json_array_append_new(list, text_new(text)) == 0 ? ERR_OK : err_nomem(e, "a list");
}

/* add_entries adds the texts of a list, and of lists inside it, to `list`. *nested is set if an
 * entry is an object, or a number although `numbers` is false; the list is then not used. */
static err_code add_entries(translation *t, json_t *list, const json_t *value, bool numbers,
                            bool *nested, err *e)
{
    size_t i, inner;
    json_t *entry, *leaf;
    err_code code = ERR_OK;
    json_array_foreach((json_t *)value, i, entry)
    {
        json_array_foreach(entry, inner, leaf)
        {
            *nested = *nested || json_is_array(leaf) || is_foreign_entry(leaf, numbers);
            if (code == ERR_OK && !*nested) {
                code = add_entry(t, list, leaf, e);
            }
        }
        *nested = *nested || is_foreign_entry(entry, numbers);
        if (code == ERR_OK && !*nested && !json_is_array(entry)) {
            code = add_entry(t, list, entry, e);
        }
        if (code != ERR_OK || *nested) {
            break;
        }
    }
    return code;
}

static err_code add_list(translation *t, json_t *list, json_member *m, const json_t *value, err *e)
{
    bool nested = json_is_object(value);
    err_code code = ERR_OK;
    if (json_is_array(value)) {
        code = add_entries(t, list, value, true, &nested, e);
    } else if (!nested) {
        slice text = {NULL, 0};
        if (!json_members_cell(value, &t->s->scratch, &text)) {
            return err_nomem(e, "a list");
        }
        code = add_split(t, list, text, e);
    }
    if (code != ERR_OK) {
        return err_context(e, "/%.60s", m->name);
    }
    return nested ? unexpected(m, "a text or a list of texts", e) : ERR_OK;
}

/* --- roles --- */

static err_code read_id(translation *t, json_member *m, const json_t *value, err *e)
{
    slice text = {NULL, 0};
    if (!json_is_string(value) && !json_is_integer(value)) {
        return unexpected(m, "an id: a text or a whole number", e);
    }
    if (!json_members_cell(value, &t->s->scratch, &text)) {
        return err_nomem(e, "an item");
    }
    err_code code = import_id(t->s, text, "item", e);
    return code == ERR_OK ? set(t->out, "id", text_new(text), e) : code;
}

/* join joins a list of paragraphs with line ends. Absent if memory runs out. */
static slice join(translation *t, const json_t *list, size_t bytes)
{
    char *text = arena_alloc(&t->s->scratch, bytes + 1, 1);
    size_t i, used = 0;
    json_t *entry;
    json_array_foreach((json_t *)list, i, entry)
    {
        if (text != NULL && i > 0) {
            text[used++] = '\n';
        }
        if (text != NULL) {
            memcpy(text + used, json_string_value(entry), json_string_length(entry));
            used += json_string_length(entry);
        }
    }
    return (slice){text, used};
}

/* read_prose turns a list of paragraphs into one text. */
static err_code read_prose(translation *t, const char *name, json_member *m, const json_t *value,
                           err *e)
{
    slice text = {NULL, 0};
    size_t i, bytes = 0;
    json_t *entry;
    bool good = !json_is_object(value);
    json_array_foreach((json_t *)value, i, entry)
    {
        good = good && json_is_string(entry);
        bytes += json_string_length(entry) + 1;
    }
    if (!good || bytes > DESCRIPTION_BYTES_MAX) {
        return unexpected(m, good ? "at most 65536 bytes" : "a text or a list of texts", e);
    }
    if (json_is_array(value)) {
        text = join(t, value, bytes);
    } else {
        (void)json_members_cell(value, &t->s->scratch, &text);
    }
    if (text.at == NULL) {
        return err_nomem(e, "an item");
    }
    bool none = cell_is_nothing(text, t->s->options->null_words);
    return none ? ERR_OK : set(t->out, name, text_new(text), e);
}

static err_code read_created(translation *t, json_member *m, const json_t *value, err *e)
{
    slice text = {NULL, 0};
    int64_t seconds = 0;
    if (json_is_object(value) || json_is_array(value)) {
        return unexpected(m, "a time", e);
    }
    if (!json_members_cell(value, &t->s->scratch, &text)) {
        return err_nomem(e, "an item");
    }
    if (cell_is_nothing(text, t->s->options->null_words)) {
        return ERR_OK;
    }
    err_code code = import_time(t->s, text, &seconds, e);
    if (code != ERR_OK) {
        return err_context(e, "/%.60s", m->name);
    }
    return set(t->out, "created", json_integer(seconds), e);
}

static err_code read_hidden(translation *t, json_member *m, const json_t *value, err *e)
{
    slice text = {NULL, 0};
    bool hidden = false;
    if (json_is_null(value)) {
        return ERR_OK;
    }
    if (!json_members_cell(value, &t->s->scratch, &text) || !cell_bool(text, &hidden)) {
        return unexpected(m, "true or false", e);
    }
    return set(t->out, "hidden", json_boolean(hidden), e);
}

static err_code read_role(translation *t, json_member *m, const json_t *value, err *e)
{
    m->used++;
    switch (m->meaning.role) {
    case ROLE_ITEM: return read_id(t, m, value, e);
    case ROLE_TITLE: return read_prose(t, "title", m, value, e);
    case ROLE_DESCRIPTION: return read_prose(t, "description", m, value, e);
    case ROLE_CATEGORIES: return add_list(t, t->categories, m, value, e);
    case ROLE_CREATED: return read_created(t, m, value, e);
    default: return read_hidden(t, m, value, e);
    }
}

/* --- attributes --- */

/* read_typed reads a value as --column NAME=KIND says. */
static err_code read_typed(translation *t, json_member *m, const json_t *value, err *e)
{
    column_kind kind = column_kind_named(m->meaning.kind);
    slice text = {NULL, 0};
    double number = 0.0;
    bool truth = false;
    m->used++;
    if (kind == KIND_CATEGORIES) {
        return add_list(t, t->categories, m, value, e);
    }
    if (kind == KIND_TEXTS) {
        json_t *list = json_array();
        err_code code = list != NULL ? add_list(t, list, m, value, e) : err_nomem(e, "a list");
        if (code == ERR_OK) {
            return set(t->attributes, m->name, list, e);
        }
        json_decref(list);
        return code;
    }
    if (json_is_object(value) || json_is_array(value)) {
        return unexpected(m, "a text, a number, true or false", e);
    }
    if (!json_members_cell(value, &t->s->scratch, &text)) {
        return err_nomem(e, "an item");
    }
    if (cell_is_nothing(text, t->s->options->null_words)) {
        return ERR_OK;
    }
    if (kind == KIND_NUMBER) {
        return cell_number(text, &number) ? set(t->attributes, m->name, json_real(number), e)
                                          : unexpected(m, "a number", e);
    }
    if (kind == KIND_BOOL) {
        return cell_bool(text, &truth) ? set(t->attributes, m->name, json_boolean(truth), e)
                                       : unexpected(m, "true or false", e);
    }
    return set(t->attributes, m->name, text_new(text), e);
}

/* read_attribute reads a member that no option and no role covers. */
static err_code read_attribute(translation *t, json_member *m, const char *name,
                               const json_t *value, err *e)
{
    slice text = {NULL, 0};
    bool nested = json_is_object(value);
    if (json_is_array(value)) {
        json_t *list = json_array();
        err_code code =
            list != NULL ? add_entries(t, list, value, false, &nested, e) : err_nomem(e, "a list");
        if (code == ERR_OK && !nested && json_array_size(list) > 0) {
            m->used++;
            return set(t->attributes, name, list, e);
        }
        json_decref(list);
        if (code != ERR_OK) {
            return code;
        }
    }
    if (nested) {
        m->dropped++;
        m->nested++;
        return ERR_OK;
    }
    if (json_is_null(value) || json_is_array(value)) {
        return ERR_OK;
    }
    json_int_t whole = json_integer_value(value); /* 0 if it is none */
    bool exact = whole <= whole_max && whole >= -whole_max;
    m->used++;
    if ((json_is_number(value) && exact) || json_is_boolean(value)) {
        return set(t->attributes, name, json_incref((json_t *)value), e);
    }
    if (!json_members_cell(value, &t->s->scratch, &text)) {
        return err_nomem(e, "an item");
    }
    bool none = cell_is_nothing(text, t->s->options->null_words);
    return none ? ERR_OK : set(t->attributes, name, text_new(text), e);
}

static err_code read_attributes(translation *t, json_member *m, const json_t *value, err *e)
{
    const char *name;
    json_t *member;
    err_code code = ERR_OK;
    m->used++;
    json_object_foreach((json_t *)value, name, member)
    {
        if (code == ERR_OK) {
            code = read_attribute(t, m, name, member, e);
        }
    }
    return code;
}

static err_code read_other(translation *t, json_member *m, const json_t *value, err *e)
{
    if (m->meaning.kind.at != NULL) {
        return read_typed(t, m, value, e);
    }
    if (m->meaning.left_out) {
        m->dropped++;
        return ERR_OK;
    }
    if (m->own && json_is_object(value) && strcmp(m->name, "features") == 0) {
        m->used++;
        return set(t->out, "features", json_incref((json_t *)value), e);
    }
    if (m->own && json_is_object(value) && strcmp(m->name, "attributes") == 0) {
        return read_attributes(t, m, value, e);
    }
    if (column_ignores_unknown(t->s)) {
        m->dropped++;
        return ERR_OK;
    }
    if (t->foreign) {
        return read_attribute(t, m, m->name, value, e);
    }
    return err_set(e, ERR_INVALID,
                   "/%.60s: unknown member; an item has id, title, description, categories, "
                   "attributes, created, hidden and features; make it an attribute with --column "
                   "%.60s=KIND, or leave it out with --ignore-columns %.60s",
                   m->name, m->name, m->name);
}

static err_code translate(translation *t, json_members *members, const json_t *document, err *e)
{
    json_roles roles;
    const char *name;
    json_t *value;
    err_code code = json_members_roles(members, document, &roles, e);
    if (code == ERR_OK && roles.of[ROLE_ITEM] == NULL) {
        code = err_set(e, ERR_INVALID, "/id: missing; name it by --map id=MEMBER");
    }
    t->foreign = code == ERR_OK && strcmp(roles.of[ROLE_ITEM]->name, "id") != 0;
    json_object_foreach((json_t *)document, name, value)
    {
        json_member *m = NULL;
        if (code == ERR_OK) {
            code = json_members_find(members, name, &m, e);
        }
        if (code == ERR_OK) {
            bool has_role = m->meaning.role != ROLE_NONE && roles.of[m->meaning.role] == m;
            code = has_role ? read_role(t, m, value, e) : read_other(t, m, value, e);
        }
    }
    return code;
}

err_code item_members_translate(json_t **out, import_state *s, json_members *members,
                                const json_t *document, err *e)
{
    *out = NULL;
    translation t = {
        .s = s, .out = json_object(), .attributes = json_object(), .categories = json_array()};
    err_code code = t.out != NULL && t.attributes != NULL && t.categories != NULL
                        ? translate(&t, members, document, e)
                        : err_nomem(e, "an item");
    if (code == ERR_OK && json_object_size(t.attributes) > 0) {
        code = set(t.out, "attributes", json_incref(t.attributes), e);
    }
    if (code == ERR_OK && json_array_size(t.categories) > 0) {
        code = set(t.out, "categories", json_incref(t.categories), e);
    }
    json_decref(t.attributes);
    json_decref(t.categories);
    if (code != ERR_OK) {
        json_decref(t.out);
        return code;
    }
    *out = t.out;
    return ERR_OK;
}
