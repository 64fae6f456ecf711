#include "storage/item_json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/common/base64.h"
#include "core/common/half.h"
#include "core/common/timestamp.h"

enum { POINTER_MAX = 1024, DETAIL_MAX = 256 };

/* One reading: where we are in the document, and whether anything was wrong. */
typedef struct reading {
    const item_json_options *options;
    char pointer[POINTER_MAX];
    size_t length; /* of the pointer */
    bool bad;
    bool nomem;
} reading;

/* Appends "/name" with RFC 6901's escapes; returns the length to go back to. */
static size_t enter(reading *r, const char *name)
{
    size_t before = r->length;
    r->pointer[r->length++] = '/';
    for (; *name != '\0' && r->length < POINTER_MAX - 3; name++) {
        if (*name == '~' || *name == '/') {
            r->pointer[r->length++] = '~';
            r->pointer[r->length++] = *name == '~' ? '0' : '1';
        } else {
            r->pointer[r->length++] = *name;
        }
    }
    r->pointer[r->length] = '\0';
    return before;
}

static size_t enter_index(reading *r, size_t index)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", index);
    return enter(r, text);
}

static void leave(reading *r, size_t before)
{
    r->length = before;
    r->pointer[before] = '\0';
}

__attribute__((format(printf, 2, 3))) static void problem(reading *r, const char *fmt, ...)
{
    char detail[DETAIL_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    r->bad = true;
    if (r->options->report != NULL) {
        r->options->report(r->options->report_ctx, r->pointer, detail);
    }
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "null";
    }
}

static void *take_memory(reading *r, size_t count, size_t size)
{
    void *memory = arena_alloc(r->options->memory, count, size);
    r->nomem = r->nomem || memory == NULL;
    return memory;
}

/* Copies a string of `least` to `most` bytes. */
static bool read_text(reading *r, const json_t *value, size_t least, size_t most, slice *out)
{
    if (!json_is_string(value)) {
        problem(r, "expected a string, not %s", type_name(value));
        return false;
    }
    slice text = {json_string_value(value), json_string_length(value)};
    if (text.length < least || text.length > most) {
        problem(r, "expected %zu to %zu bytes, not %zu", least, most, text.length);
        return false;
    }
    *out = arena_slice(r->options->memory, text);
    if (out->at == NULL) {
        r->nomem = true;
        return false;
    }
    return true;
}

static void read_id(reading *r, const json_t *value, op_item *out)
{
    slice id = {NULL, 0};
    if (!read_text(r, value, 1, ID_BYTES_MAX, &id)) {
        return;
    }
    if (r->options->id.at != NULL && !slice_equal(id, r->options->id)) {
        problem(r, "differs from the id in the path");
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

/* Reads a list of strings as a set: what is said twice is kept once. */
static const slice *read_texts(reading *r, const json_t *value, size_t count_max, size_t bytes_max,
                               uint32_t *count)
{
    size_t given = json_array_size(value);
    if (given > count_max) {
        problem(r, "expected at most %zu entries, not %zu", count_max, given);
        return NULL;
    }
    slice *texts = take_memory(r, given, sizeof *texts);
    *count = 0;
    for (size_t i = 0; texts != NULL && i < given; i++) {
        size_t before = enter_index(r, i);
        slice text;
        if (read_text(r, json_array_get(value, i), 1, bytes_max, &text) &&
            !contains(texts, *count, text)) {
            texts[(*count)++] = text;
        }
        leave(r, before);
    }
    return texts;
}

static void read_title(reading *r, const json_t *value, op_item *out)
{
    out->given |= OP_TITLE;
    if (!json_is_null(value) || r->options->mode != ITEM_JSON_PATCH) {
        read_text(r, value, 0, TITLE_BYTES_MAX, &out->title);
    }
}

static void read_categories(reading *r, const json_t *value, op_item *out)
{
    out->given |= OP_CATEGORIES;
    if (json_is_null(value) && r->options->mode == ITEM_JSON_PATCH) {
        return;
    }
    if (!json_is_array(value)) {
        problem(r, "expected a list of strings, not %s", type_name(value));
        return;
    }
    out->categories =
        read_texts(r, value, CATEGORIES_MAX, CATEGORY_BYTES_MAX, &out->category_count);
}

/* Kept as a double, in which a longer number, such as a barcode, would become another one. */
static void read_number(reading *r, const json_t *value, attribute *out)
{
    const json_int_t most = (json_int_t)1 << 53;
    json_int_t whole = json_integer_value(value); /* 0 of a real */
    out->kind = ATTRIBUTE_NUMBER;
    out->number = json_number_value(value);
    if (whole > most || whole < -most) {
        problem(r,
                "expected a whole number up to %" JSON_INTEGER_FORMAT ", not %" JSON_INTEGER_FORMAT
                ": use a string",
                most, whole);
    }
}

static void read_attribute(reading *r, const json_t *value, attribute *out)
{
    if (json_is_string(value)) {
        out->kind = ATTRIBUTE_TEXT;
        read_text(r, value, 0, ATTRIBUTE_TEXT_BYTES_MAX, &out->text);
    } else if (json_is_number(value)) {
        read_number(r, value, out);
    } else if (json_is_boolean(value)) {
        out->kind = ATTRIBUTE_BOOL;
        out->truth = json_is_true(value);
    } else if (json_is_array(value)) {
        out->kind = ATTRIBUTE_TEXTS;
        out->texts =
            read_texts(r, value, ATTRIBUTE_TEXTS_MAX, ATTRIBUTE_TEXT_BYTES_MAX, &out->text_count);
    } else if (json_is_null(value) && r->options->mode == ITEM_JSON_PATCH) {
        out->kind = ATTRIBUTE_REMOVED;
    } else {
        problem(r, "expected a string, a number, true, false or a list of strings, not %s",
                type_name(value));
    }
}

static bool read_name(reading *r, const char *name, size_t bytes_max, slice *out)
{
    size_t length = strlen(name);
    if (length < 1 || length > bytes_max) {
        problem(r, "expected a name of 1 to %zu bytes, not %zu", bytes_max, length);
        return false;
    }
    *out = arena_slice(r->options->memory, slice_of(name));
    r->nomem = r->nomem || out->at == NULL;
    return out->at != NULL;
}

static void read_attributes(reading *r, const json_t *value, op_item *out)
{
    if (json_is_null(value) && r->options->mode == ITEM_JSON_PATCH) {
        out->given |= OP_NO_ATTRIBUTES;
        return;
    }
    out->given |= OP_ATTRIBUTES;
    if (!json_is_object(value)) {
        problem(r, "expected an object, not %s", type_name(value));
        return;
    }
    size_t given = json_object_size(value);
    if (given > ATTRIBUTES_MAX) {
        problem(r, "expected at most %d attributes, not %zu", ATTRIBUTES_MAX, given);
        return;
    }
    attribute *list = take_memory(r, given, sizeof *list);
    const char *name;
    json_t *member;
    if (list == NULL) {
        return;
    }
    json_object_foreach((json_t *)value, name, member)
    {
        size_t before = enter(r, name);
        attribute *a = &list[out->attribute_count];
        if (read_name(r, name, ATTRIBUTE_NAME_BYTES_MAX, &a->name)) {
            read_attribute(r, member, a);
            out->attribute_count++;
        }
        leave(r, before);
    }
    out->attributes = list;
}

static bool width_fits(reading *r, size_t width)
{
    if (width < 1 || width > FEATURE_WIDTH_MAX) {
        problem(r, "expected 1 to %d numbers, not %zu", FEATURE_WIDTH_MAX, width);
        return false;
    }
    return true;
}

/* False for NaN too. */
static bool feature_number_fits(double number)
{
    return fabs(number) <= FEATURE_MAGNITUDE_MAX;
}

static void read_feature_numbers(reading *r, const json_t *value, feature *out)
{
    size_t width = json_array_size(value);
    float *numbers = width_fits(r, width) ? take_memory(r, width, sizeof *numbers) : NULL;
    if (numbers == NULL) {
        return;
    }
    for (size_t i = 0; i < width; i++) {
        const json_t *entry = json_array_get(value, i);
        double number = json_number_value(entry);
        if (!json_is_number(entry) || !feature_number_fits(number)) {
            size_t before = enter_index(r, i);
            if (!json_is_number(entry)) {
                problem(r, "expected a number, not %s", type_name(entry));
            } else {
                problem(r, "%g, allowed %g to %g", number, -FEATURE_MAGNITUDE_MAX,
                        FEATURE_MAGNITUDE_MAX);
            }
            leave(r, before);
            return; /* one entry tells enough: thousands may be wrong in the same way */
        }
        numbers[i] = (float)number;
    }
    out->dtype = FEATURE_F4;
    out->width = (uint32_t)width;
    out->data = numbers;
}

static double encoded_number(const unsigned char *data, feature_dtype dtype, size_t i)
{
    uint16_t half;
    float single;
    if (dtype == FEATURE_F2) {
        memcpy(&half, data + 2 * i, sizeof half);
        return (double)half_to_float(half);
    }
    memcpy(&single, data + 4 * i, sizeof single);
    return (double)single;
}

static bool numbers_fit(reading *r, const unsigned char *data, feature_dtype dtype, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        double number = encoded_number(data, dtype, i);
        if (!feature_number_fits(number)) {
            problem(r, "number %zu is %g, allowed %g to %g", i, number, -FEATURE_MAGNITUDE_MAX,
                    FEATURE_MAGNITUDE_MAX);
            return false;
        }
    }
    return true;
}

static void read_base64(reading *r, const json_t *value, feature_dtype dtype, feature *out)
{
    slice text = {json_string_value(value), json_string_length(value)};
    size_t bytes = base64_decoded_length(text);
    size_t one = feature_dtype_bytes(dtype);
    if (text.length % 4 != 0) {
        problem(r, "not valid base64");
        return;
    }
    if (bytes % one != 0) {
        problem(r, "expected a multiple of %zu bytes, not %zu", one, bytes);
        return;
    }
    void *data = width_fits(r, bytes / one) ? take_memory(r, bytes, 1) : NULL;
    if (data == NULL) {
        return;
    }
    if (!base64_decode(text, data)) {
        problem(r, "not valid base64");
    } else if (numbers_fit(r, data, dtype, bytes / one)) {
        out->dtype = dtype;
        out->width = (uint32_t)(bytes / one);
        out->data = data;
    }
}

static void read_feature_object(reading *r, const json_t *value, feature *out)
{
    const json_t *dtype = json_object_get(value, "dtype");
    const json_t *text = json_object_get(value, "b64");
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)value, name, member)
    {
        if (member != dtype && member != text) {
            size_t before = enter(r, name);
            problem(r, "unknown member; expected dtype and b64");
            leave(r, before);
            return;
        }
    }
    bool f2 = json_is_string(dtype) && strcmp(json_string_value(dtype), "<f2") == 0;
    bool f4 = json_is_string(dtype) && strcmp(json_string_value(dtype), "<f4") == 0;
    if (!f2 && !f4) {
        size_t before = enter(r, "dtype");
        problem(r, "expected \"<f2\" or \"<f4\"");
        leave(r, before);
        return;
    }
    size_t before = enter(r, "b64");
    if (!json_is_string(text)) {
        problem(r, "expected base64 as a string, not %s", text ? type_name(text) : "nothing");
    } else {
        read_base64(r, text, f2 ? FEATURE_F2 : FEATURE_F4, out);
    }
    leave(r, before);
}

static void read_features(reading *r, const json_t *value, op_item *out)
{
    if (json_is_null(value)) {
        out->given |= OP_NO_FEATURES;
        return;
    }
    out->given |= OP_FEATURES;
    if (!json_is_object(value)) {
        problem(r, "expected an object, not %s", type_name(value));
        return;
    }
    size_t given = json_object_size(value);
    if (given > MODALITIES_MAX) {
        problem(r, "expected at most %d modalities, not %zu", MODALITIES_MAX, given);
        return;
    }
    feature *list = take_memory(r, given, sizeof *list);
    const char *name;
    json_t *member;
    if (list == NULL) {
        return;
    }
    json_object_foreach((json_t *)value, name, member)
    {
        size_t before = enter(r, name);
        feature *f = &list[out->feature_count];
        if (read_name(r, name, MODALITY_NAME_BYTES_MAX, &f->modality)) {
            out->feature_count++;
            if (json_is_array(member)) {
                read_feature_numbers(r, member, f);
            } else if (json_is_object(member)) {
                read_feature_object(r, member, f);
            } else if (!json_is_null(member)) {
                problem(r, "expected a list of numbers or {\"dtype\",\"b64\"}, not %s",
                        type_name(member));
            }
        }
        leave(r, before);
    }
    out->features = list;
}

static void read_created(reading *r, const json_t *value, op_item *out)
{
    err why = ERR_INIT;
    err_code code = ERR_OK;
    if (json_is_null(value) && r->options->mode == ITEM_JSON_PATCH) {
        out->created = r->options->now; /* as an item that comes without one */
    } else if (json_is_string(value)) {
        slice text = {json_string_value(value), json_string_length(value)};
        code = timestamp_parse(text, &out->created, &why);
    } else if (json_is_number(value)) {
        code = timestamp_from_number(json_number_value(value), &out->created, &why);
    } else {
        code = err_set(&why, ERR_INVALID, "expected RFC 3339 or epoch seconds, not %s",
                       type_name(value));
    }
    if (code == ERR_OK) {
        code = timestamp_check(out->created, r->options->now, &why);
    }
    if (code != ERR_OK) {
        problem(r, "%s", why.text);
    }
    out->given |= OP_CREATED;
}

static void read_hidden(reading *r, const json_t *value, op_item *out)
{
    out->given |= OP_HIDDEN;
    if (json_is_null(value) && r->options->mode == ITEM_JSON_PATCH) {
        out->hidden = false;
    } else if (json_is_boolean(value)) {
        out->hidden = json_is_true(value);
    } else {
        problem(r, "expected true or false, not %s", type_name(value));
    }
}

static const struct {
    const char *name;
    void (*read)(reading *r, const json_t *value, op_item *out);
} members_known[] = {
    {"id", read_id},
    {"title", read_title},
    {"categories", read_categories},
    {"attributes", read_attributes},
    {"created", read_created},
    {"hidden", read_hidden},
    {"features", read_features},
};

static void read_member(reading *r, const char *name, const json_t *value, op_item *out)
{
    size_t before = enter(r, name);
    bool known = false;
    for (size_t i = 0; i < sizeof members_known / sizeof members_known[0]; i++) {
        if (strcmp(name, members_known[i].name) == 0) {
            members_known[i].read(r, value, out);
            known = true;
        }
    }
    if (!known) {
        problem(r, "unknown member; an item has id, title, categories, attributes, created, hidden "
                   "and features");
    }
    leave(r, before);
}

err_code item_json_read(const json_t *document, const item_json_options *options, op_item *out,
                        err *e)
{
    reading r = {.options = options};
    memset(out, 0, sizeof *out);
    if (!json_is_object(document)) {
        problem(&r, "expected an object, not %s", type_name(document));
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
            size_t before = enter(&r, "id");
            problem(&r, "missing");
            leave(&r, before);
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
