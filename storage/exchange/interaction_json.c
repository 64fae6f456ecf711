/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/exchange/interaction_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/common/timestamp.h"

static const char *const split_names[] = {"train", "valid", "test"};

typedef struct reading {
    const interaction_json_options *options;
    bool bad;
    bool nomem;
} reading;

/* problem reports a problem of the member `name`, or of the whole document for "". The name has no
 * characters that a JSON pointer must escape. */
static void problem(reading *r, const char *name, const char *detail)
{
    char pointer[80];
    snprintf(pointer, sizeof pointer, "%s%.70s", name[0] != '\0' ? "/" : "", name);
    r->bad = true;
    if (r->options->report != NULL) {
        r->options->report(r->options->report_ctx, pointer, detail);
    }
}

static void read_text(reading *r, const json_t *value, const char *name, size_t most, slice *out)
{
    char detail[96];
    slice text = {json_string_value(value), json_string_length(value)};
    if (!json_is_string(value)) {
        problem(r, name, value == NULL ? "missing" : "expected a string");
        return;
    }
    if (text.length < 1 || text.length > most) {
        snprintf(detail, sizeof detail, "expected 1 to %zu bytes, not %zu", most, text.length);
        problem(r, name, detail);
        return;
    }
    *out = arena_slice(r->options->memory, text);
    r->nomem = r->nomem || out->at == NULL;
}

static void read_time(reading *r, const json_t *value, op_interaction *out)
{
    err why = ERR_INIT;
    err_code code = ERR_OK;
    out->time = r->options->now;
    if (value == NULL) {
        return;
    }
    if (json_is_string(value)) {
        slice text = {json_string_value(value), json_string_length(value)};
        code = timestamp_parse(text, &out->time, &why);
    } else if (json_is_number(value)) {
        code = timestamp_from_number(json_number_value(value), &out->time, &why);
    } else {
        code = err_set(&why, ERR_INVALID, "expected RFC 3339 or epoch seconds");
    }
    if (code == ERR_OK) {
        code = timestamp_check(out->time, r->options->now, &why);
    }
    if (code != ERR_OK) {
        problem(r, "timestamp", why.text);
    }
}

static void read_type(reading *r, const json_t *value, op_interaction *out)
{
    slice name = slice_of(INTERACTION_TYPE_DEFAULT);
    if (value != NULL && !json_is_string(value)) {
        problem(r, "type", "expected a string");
        return;
    }
    if (value != NULL) {
        name.at = json_string_value(value);
        name.length = json_string_length(value);
    }
    const interaction_type *type = interaction_types_find(r->options->types, name);
    if (type == NULL) {
        char detail[256];
        int used = snprintf(detail, sizeof detail, "unknown type; expected one of");
        for (uint32_t i = 0; i < r->options->types->count && used < 180; i++) {
            used += snprintf(detail + used, sizeof detail - (size_t)used, "%s %s", i ? "," : "",
                             r->options->types->list[i].name);
        }
        problem(r, "type", detail);
        return;
    }
    out->type = arena_slice(r->options->memory, slice_of(type->name));
    r->nomem = r->nomem || out->type.at == NULL;
    out->flags = type->flags;
    out->weight = type->weight;
}

static void read_weight(reading *r, const json_t *value, op_interaction *out)
{
    if (value == NULL) {
        return;
    }
    double weight = json_number_value(value);
    if (!json_is_number(value) || weight > 1000.0 || !((float)weight > 0.0F)) {
        problem(r, "weight", "expected a number above 0, up to 1000");
        return;
    }
    out->weight = (float)weight;
}

static void read_flag(reading *r, const json_t *value, const char *name, uint8_t flag,
                      op_interaction *out)
{
    if (value != NULL && !json_is_boolean(value)) {
        problem(r, name, "expected true or false");
    } else if (value != NULL) {
        unsigned flags = out->flags & ~(unsigned)flag;
        out->flags = (uint8_t)(json_is_true(value) ? flags | flag : flags);
    }
}

static void read_split(reading *r, const json_t *value, op_interaction *out)
{
    if (value == NULL) {
        return;
    }
    for (uint8_t i = 0; json_is_string(value) && i < 3; i++) {
        if (strcmp(json_string_value(value), split_names[i]) == 0) {
            out->split = i;
            return;
        }
    }
    problem(r, "split", "expected \"train\", \"valid\" or \"test\"");
}

static void check_members(reading *r, const json_t *document)
{
    static const char *const known[] = {"user",   "item",  "type", "timestamp",
                                        "weight", "split", "edge", "seen"};
    size_t count = r->options->with_split ? 8 : 5;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)document, name, value)
    {
        size_t i = 0;
        while (i < count && strcmp(name, known[i]) != 0) {
            i++;
        }
        if (i == count) {
            char escaped[80];
            size_t length = 0;
            for (const char *c = name; *c != '\0' && length < 68; c++) {
                if (*c == '~' || *c == '/') {
                    escaped[length++] = '~';
                    escaped[length++] = *c == '~' ? '0' : '1';
                } else {
                    escaped[length++] = *c;
                }
            }
            escaped[length] = '\0';
            char detail[256];
            const char *also = r->options->also;
            snprintf(detail, sizeof detail,
                     "unknown member; an interaction has user, item, type, timestamp, weight%s%s%s",
                     r->options->with_split ? ", split, edge, seen" : "", also != NULL ? ", " : "",
                     also != NULL ? also : "");
            problem(r, escaped, detail);
        }
    }
}

err_code interaction_json_read(const json_t *document, const interaction_json_options *options,
                               op_interaction *out, err *e)
{
    reading r = {.options = options};
    memset(out, 0, sizeof *out);
    if (!json_is_object(document)) {
        problem(&r, "", "expected an object");
        return err_set(e, ERR_INVALID, "expected an object");
    }
    check_members(&r, document);
    read_text(&r, json_object_get(document, "user"), "user", ID_BYTES_MAX, &out->user);
    read_text(&r, json_object_get(document, "item"), "item", ID_BYTES_MAX, &out->item);
    read_type(&r, json_object_get(document, "type"), out);
    read_time(&r, json_object_get(document, "timestamp"), out);
    read_weight(&r, json_object_get(document, "weight"), out);
    if (options->with_split) {
        read_split(&r, json_object_get(document, "split"), out);
        read_flag(&r, json_object_get(document, "edge"), "edge", EDGE_IN_GRAPH, out);
        read_flag(&r, json_object_get(document, "seen"), "seen", EDGE_SEEN, out);
    }
    if (r.bad) {
        return err_set(e, ERR_INVALID, "the interaction is not valid");
    }
    return r.nomem ? err_nomem(e, "an interaction") : ERR_OK;
}

err_code interaction_json_new(json_t **out, const op_interaction *x, bool with_split, err *e)
{
    char time[TIMESTAMP_TEXT_MAX];
    timestamp_format(x->time, time);
    *out = json_pack("{s:s%, s:s%, s:s%, s:s, s:f}", "user", x->user.at, x->user.length, "item",
                     x->item.at, x->item.length, "type", x->type.at, x->type.length, "timestamp",
                     time, "weight", (double)x->weight);
    int bad = *out == NULL ? -1 : 0;
    if (bad == 0 && with_split) {
        bad = json_object_set_new(*out, "split", json_string(split_names[x->split % 3])) |
              json_object_set_new(*out, "edge", json_boolean(x->flags & EDGE_IN_GRAPH)) |
              json_object_set_new(*out, "seen", json_boolean(x->flags & EDGE_SEEN));
    }
    if (bad != 0) {
        json_decref(*out);
        *out = NULL;
        return err_nomem(e, "an interaction's document");
    }
    return ERR_OK;
}
