/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/exchange/item_json.h"

#include <math.h>
#include <string.h>

#include "core/common/timestamp.h"
#include "storage/exchange/item_reading.h"

static void read_id(reading *r, const json_t *value, op_item *out)
{
    slice id = {NULL, 0};
    if (!reading_text(r, value, 1, ID_BYTES_MAX, &id)) {
        return;
    }
    if (r->options->id.at != NULL && !slice_equal(id, r->options->id)) {
        reading_problem(r, "differs from the id in the path");
        return;
    }
    out->id = id;
}

static bool contains(const slice *list, size_t count, slice text)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(list[i], text)) {
            return true;
        }
    }
    return false;
}

/* read_texts reads a list of strings as a set: repeated strings are kept once. */
static const slice *read_texts(reading *r, const json_t *value, size_t count_max, size_t bytes_max,
                               uint32_t *count)
{
    size_t given = json_array_size(value);
    if (given > count_max) {
        reading_problem(r, "expected at most %zu entries, not %zu", count_max, given);
        return NULL;
    }
    slice *texts = reading_memory(r, given, sizeof *texts);
    *count = 0;
    for (size_t i = 0; texts != NULL && i < given; i++) {
        size_t before = reading_enter_index(r, i);
        slice text;
        if (reading_text(r, json_array_get(value, i), 1, bytes_max, &text) &&
            !contains(texts, *count, text)) {
            texts[(*count)++] = text;
        }
        reading_leave(r, before);
    }
    return texts;
}

/* null_is_absent tells whether a null member counts as absent. In a patch, null removes a member.
 * In a whole item it is the same as an absent one, except in features: absent ones stay as stored,
 * and null removes them. */
static bool null_is_absent(const reading *r, const json_t *value)
{
    return json_is_null(value) && r->options->mode == ITEM_JSON_PUT;
}

static void read_title(reading *r, const json_t *value, op_item *out)
{
    out->given |= OP_TITLE;
    if (!json_is_null(value)) {
        reading_text(r, value, 0, TITLE_BYTES_MAX, &out->title);
    }
}

static void read_description(reading *r, const json_t *value, op_item *out)
{
    out->given |= OP_DESCRIPTION;
    if (!json_is_null(value)) {
        reading_text(r, value, 0, DESCRIPTION_BYTES_MAX, &out->description);
    }
}

static void read_categories(reading *r, const json_t *value, op_item *out)
{
    out->given |= OP_CATEGORIES;
    if (json_is_null(value)) {
        return;
    }
    if (!json_is_array(value)) {
        reading_problem(r, "expected a list of strings, not %s", reading_type(value));
        return;
    }
    out->categories =
        read_texts(r, value, CATEGORIES_MAX, CATEGORY_BYTES_MAX, &out->category_count);
}

/* read_number refuses whole numbers that a double, in which they are kept, would change, such as a
 * long barcode. */
static void read_number(reading *r, const json_t *value, attribute *out)
{
    const json_int_t most = (json_int_t)1 << 53;
    json_int_t whole = json_integer_value(value); /* 0 of a real */
    out->kind = ATTRIBUTE_NUMBER;
    out->number = json_number_value(value);
    if (whole > most || whole < -most) {
        reading_problem(r,
                        "expected a whole number up to %" JSON_INTEGER_FORMAT
                        ", not %" JSON_INTEGER_FORMAT ": use a string",
                        most, whole);
    }
}

static void read_attribute(reading *r, const json_t *value, attribute *out)
{
    if (json_is_string(value)) {
        out->kind = ATTRIBUTE_TEXT;
        reading_text(r, value, 0, ATTRIBUTE_TEXT_BYTES_MAX, &out->text);
    } else if (json_is_number(value)) {
        read_number(r, value, out);
    } else if (json_is_boolean(value)) {
        out->kind = ATTRIBUTE_BOOL;
        out->truth = json_is_true(value);
    } else if (json_is_array(value)) {
        out->kind = ATTRIBUTE_TEXTS;
        out->texts =
            read_texts(r, value, ATTRIBUTE_TEXTS_MAX, ATTRIBUTE_TEXT_BYTES_MAX, &out->text_count);
    } else if (json_is_null(value)) {
        out->kind = ATTRIBUTE_REMOVED;
    } else {
        reading_problem(r, "expected a string, a number, true, false or a list of strings, not %s",
                        reading_type(value));
    }
}

static void read_attributes(reading *r, const json_t *value, op_item *out)
{
    if (json_is_null(value)) {
        out->given |= OP_NO_ATTRIBUTES;
        return;
    }
    out->given |= OP_ATTRIBUTES;
    if (!json_is_object(value)) {
        reading_problem(r, "expected an object, not %s", reading_type(value));
        return;
    }
    size_t given = json_object_size(value);
    if (given > ATTRIBUTES_MAX) {
        reading_problem(r, "expected at most %d attributes, not %zu", ATTRIBUTES_MAX, given);
        return;
    }
    attribute *list = reading_memory(r, given, sizeof *list);
    const char *name;
    json_t *member;
    if (list == NULL) {
        return;
    }
    json_object_foreach((json_t *)value, name, member)
    {
        size_t before = reading_enter(r, name);
        attribute *a = &list[out->attribute_count];
        if (reading_name(r, name, ATTRIBUTE_NAME_BYTES_MAX, &a->name)) {
            read_attribute(r, member, a);
            out->attribute_count += !null_is_absent(r, member);
        }
        reading_leave(r, before);
    }
    out->attributes = list;
}

static void read_created(reading *r, const json_t *value, op_item *out)
{
    err why = ERR_INIT;
    err_code code = ERR_OK;
    if (json_is_null(value)) {
        out->created = r->options->now; /* like an item without `created` */
    } else if (json_is_string(value)) {
        slice text = {json_string_value(value), json_string_length(value)};
        code = timestamp_parse(text, &out->created, &why);
    } else if (json_is_number(value)) {
        code = timestamp_from_number(json_number_value(value), &out->created, &why);
    } else {
        code = err_set(&why, ERR_INVALID, "expected RFC 3339 or epoch seconds, not %s",
                       reading_type(value));
    }
    if (code == ERR_OK) {
        code = timestamp_check(out->created, r->options->now, &why);
    }
    if (code != ERR_OK) {
        reading_problem(r, "%s", why.text);
    }
    out->given |= OP_CREATED;
}

static void read_hidden(reading *r, const json_t *value, op_item *out)
{
    out->given |= OP_HIDDEN;
    if (json_is_null(value)) {
        out->hidden = false;
    } else if (json_is_boolean(value)) {
        out->hidden = json_is_true(value);
    } else {
        reading_problem(r, "expected true or false, not %s", reading_type(value));
    }
}

static const struct {
    const char *name;
    void (*read)(reading *r, const json_t *value, op_item *out);
    bool always; /* the reader is also called for null in a whole item */
} members_known[] = {
    {"id", read_id, true},
    {"title", read_title, false},
    {"description", read_description, false},
    {"categories", read_categories, false},
    {"attributes", read_attributes, false},
    {"created", read_created, false},
    {"hidden", read_hidden, false},
    {"features", item_json_features, true},
};

static void read_member(reading *r, const char *name, const json_t *value, op_item *out)
{
    size_t before = reading_enter(r, name);
    bool known = false;
    for (size_t i = 0; i < sizeof members_known / sizeof members_known[0]; i++) {
        if (strcmp(name, members_known[i].name) == 0) {
            if (members_known[i].always || !null_is_absent(r, value)) {
                members_known[i].read(r, value, out);
            }
            known = true;
        }
    }
    if (!known) {
        reading_problem(
            r, "unknown member; an item has id, title, description, categories, attributes, "
               "created, hidden and features");
    }
    reading_leave(r, before);
}

err_code item_json_read(const json_t *document, const item_json_options *options, op_item *out,
                        err *e)
{
    reading r = {.options = options};
    memset(out, 0, sizeof *out);
    if (!json_is_object(document)) {
        reading_problem(&r, "expected an object, not %s", reading_type(document));
        return err_set(e, ERR_INVALID, "expected an object");
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)document, name, value)
    {
        read_member(&r, name, value, out);
    }
    if (json_object_get(document, "id") == NULL) {
        if (options->id.at == NULL) {
            size_t before = reading_enter(&r, "id");
            reading_problem(&r, "missing");
            reading_leave(&r, before);
        } else {
            out->id = arena_slice(options->memory, options->id);
            r.nomem = r.nomem || out->id.at == NULL;
        }
    }
    if (r.bad) {
        return err_set(e, ERR_INVALID, "the item is not valid");
    }
    return r.nomem ? err_nomem(e, "an item") : ERR_OK;
}
