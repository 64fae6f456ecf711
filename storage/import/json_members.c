/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/json_members.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"

struct json_members {
    import_state *s;
    bool items;
    json_member *list; /* (JSON_MEMBERS_MAX) never moves, because callers borrow entries */
    size_t count;
    /* where the next name probably is: lines usually have their members in the same order */
    size_t next;
};

static bool is_own(const char *name, bool items)
{
    static const char *const of_items[] = {"id",         "title",   "description", "categories",
                                           "attributes", "created", "hidden",      "features"};
    static const char *const of_interactions[] = {"user",   "item",  "type", "timestamp",
                                                  "weight", "split", "edge", "seen"};
    const char *const *known = items ? of_items : of_interactions;
    size_t i = 0;
    while (i < 8 && strcmp(name, known[i]) != 0) {
        i++;
    }
    return i < 8;
}

err_code json_members_new(json_members **out, import_state *s, bool items, err *e)
{
    *out = NULL;
    json_members *m = mem_array(1, sizeof *m);
    if (m == NULL) {
        return err_nomem(e, "the members of a file");
    }
    m->s = s;
    m->items = items;
    m->list = mem_array(JSON_MEMBERS_MAX, sizeof *m->list);
    if (m->list == NULL) {
        json_members_free(m);
        return err_nomem(e, "the members of a file");
    }
    *out = m;
    return ERR_OK;
}

void json_members_free(json_members *m)
{
    for (size_t i = 0; m != NULL && i < m->count; i++) {
        mem_free(m->list[i].name);
    }
    if (m != NULL) {
        mem_free(m->list);
        mem_free(m);
    }
}

static err_code add(json_members *m, const char *name, err *e)
{
    if (m->count == JSON_MEMBERS_MAX) {
        return err_set(e, ERR_INVALID, "/%.60s: more than %d different members in one file", name,
                       JSON_MEMBERS_MAX);
    }
    size_t bytes = strlen(name) + 1;
    char *copy = mem_array(bytes, 1);
    if (copy == NULL) {
        return err_nomem(e, "the members of a file");
    }
    memcpy(copy, name, bytes);
    m->list[m->count++] =
        (json_member){.name = copy,
                      .meaning = column_meaning_of(m->s, m->items, slice_of(copy)),
                      .own = is_own(copy, m->items)};
    return ERR_OK;
}

err_code json_members_find(json_members *m, const char *name, json_member **out, err *e)
{
    *out = NULL;
    for (size_t tried = 0; tried < m->count; tried++) {
        size_t i = (m->next + tried) % m->count;
        if (strcmp(m->list[i].name, name) == 0) {
            m->next = i + 1;
            *out = &m->list[i];
            return ERR_OK;
        }
    }
    err_code code = add(m, name, e);
    if (code == ERR_OK) {
        *out = &m->list[m->count - 1];
    }
    return code;
}

err_code json_members_roles(json_members *m, const json_t *document, json_roles *out, err *e)
{
    const json_member *second[ROLES] = {NULL}; /* of the same rank as the one in `out` */
    const char *name;
    json_t *value;
    memset(out, 0, sizeof *out);
    json_object_foreach((json_t *)document, name, value)
    {
        json_member *x = NULL;
        err_code code = json_members_find(m, name, &x, e);
        if (code != ERR_OK) {
            return code;
        }
        import_role role = x->meaning.role;
        import_rank had = out->of[role] != NULL ? out->of[role]->meaning.rank : RANK_NONE;
        if (role != ROLE_NONE && had == x->meaning.rank) {
            second[role] = x;
        } else if (role != ROLE_NONE && had < x->meaning.rank) {
            second[role] = NULL;
            out->of[role] = x;
            out->value[role] = value;
        }
    }
    for (import_role role = ROLE_NONE + 1; role < ROLES; role++) {
        if (second[role] != NULL) {
            return err_set(e, ERR_INVALID,
                           "members \"%.60s\" and \"%.60s\" mean the same; choose one with "
                           "--map %s=%.60s, and leave the other out with --ignore-columns",
                           out->of[role]->name, second[role]->name, import_role_name(role),
                           out->of[role]->name);
        }
    }
    return ERR_OK;
}

bool json_members_cell(const json_t *value, arena *memory, slice *out)
{
    char text[40] = "";
    switch (json_typeof(value)) {
    case JSON_STRING:
        *out = (slice){json_string_value(value), json_string_length(value)};
        return true;
    case JSON_NULL: *out = (slice){"", 0}; return true;
    case JSON_TRUE: *out = slice_of("true"); return true;
    case JSON_FALSE: *out = slice_of("false"); return true;
    case JSON_INTEGER:
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        /* use the fewest digits that keep the value */
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, json_real_value(value));
            double again = 0.0;
            if (sscanf(text, "%lf", &again) == 1 && again == json_real_value(value)) {
                break;
            }
        }
        break;
    default: return false;
    }
    *out = arena_slice(memory, slice_of(text));
    return out->at != NULL;
}

void json_members_time(import_state *s, const json_t *document, const char *member, err *why)
{
    const json_t *value = json_object_get(document, member);
    size_t length = strlen(member);
    bool about = why->text[0] == '/' && strncmp(why->text + 1, member, length) == 0 &&
                 why->text[1 + length] == ':';
    slice text = {NULL, 0};
    int64_t seconds = 0;
    err better = ERR_INIT;
    if (about && json_members_cell(value, &s->scratch, &text) &&
        import_time(s, text, &seconds, &better) != ERR_OK) {
        snprintf(why->text, sizeof why->text, "/%s: %.400s", member, better.text);
    }
}

/* add_text adds "name" or "role=name", and the number of lines unless all lines had it. */
static size_t add_text(char *text, size_t used, const char *fmt, const char *first,
                       const char *second)
{
    size_t room = IMPORT_NOTE_BYTES - used;
    int more = snprintf(text + used, room, fmt, first, second);
    return more < 0 || (size_t)more >= room ? IMPORT_NOTE_BYTES - 1 : used + (size_t)more;
}

void json_members_tell(const json_members *m, const char *path)
{
    char text[IMPORT_NOTE_BYTES], lines[64];
    bool foreign = false;
    size_t used = add_text(text, 0, "%s: members%s", path, "");
    for (size_t i = 0; i < m->count; i++) {
        const json_member *x = &m->list[i];
        foreign = foreign || !x->own || x->dropped > 0;
        bool role = x->meaning.role != ROLE_NONE;
        if (x->used > 0 && (role || x->own)) {
            used = add_text(text, used, " %s=%s",
                            role ? import_role_name(x->meaning.role) : x->name, x->name);
        }
    }
    for (size_t i = 0, count = 0; i < m->count; i++) {
        const json_member *x = &m->list[i];
        if (x->used > 0 && x->meaning.role == ROLE_NONE && !x->own) {
            used = add_text(text, used, "%s%s", count++ == 0 ? "; attributes: " : ", ", x->name);
        }
    }
    for (size_t i = 0, count = 0; i < m->count; i++) {
        const json_member *x = &m->list[i];
        if (x->dropped > 0) {
            used = add_text(text, used, "%s%s", count++ == 0 ? "; left out: " : ", ", x->name);
            snprintf(lines, sizeof lines, " (objects or numbers in %" PRIu64 " lines)", x->nested);
            used = add_text(text, used, "%s%s", x->nested > 0 ? lines : "", "");
        }
    }
    if (foreign) {
        import_note(m->s, "%s", text);
    }
}
