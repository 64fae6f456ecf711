/* SPDX-License-Identifier: Apache-2.0 */
/* item_json_features reads the member `features` of an item: one vector for each modality, as
 * numbers or base64. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/base64.h"
#include "core/common/half.h"
#include "storage/exchange/item_reading.h"

static bool width_fits(reading *r, size_t width)
{
    if (width < 1 || width > FEATURE_WIDTH_MAX) {
        reading_problem(r, "expected 1 to %d numbers, not %zu", FEATURE_WIDTH_MAX, width);
        return false;
    }
    return true;
}

/* feature_number_fits is false also for NaN. */
static bool feature_number_fits(double number)
{
    return fabs(number) <= FEATURE_MAGNITUDE_MAX;
}

static void read_feature_numbers(reading *r, const json_t *value, feature *out)
{
    size_t width = json_array_size(value);
    float *numbers = width_fits(r, width) ? reading_memory(r, width, sizeof *numbers) : NULL;
    if (numbers == NULL) {
        return;
    }
    for (size_t i = 0; i < width; i++) {
        const json_t *entry = json_array_get(value, i);
        double number = json_number_value(entry);
        if (!json_is_number(entry) || !feature_number_fits(number)) {
            size_t before = reading_enter_index(r, i);
            if (!json_is_number(entry)) {
                reading_problem(r, "expected a number, not %s", reading_type(entry));
            } else {
                reading_problem(r, "%g, allowed %g to %g", number, -FEATURE_MAGNITUDE_MAX,
                                FEATURE_MAGNITUDE_MAX);
            }
            reading_leave(r, before);
            return; /* report only one: thousands of entries may be wrong in the same way */
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
            reading_problem(r, "number %zu is %g, allowed %g to %g", i, number,
                            -FEATURE_MAGNITUDE_MAX, FEATURE_MAGNITUDE_MAX);
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
        reading_problem(r, "not valid base64");
        return;
    }
    if (bytes % one != 0) {
        reading_problem(r, "expected a multiple of %zu bytes, not %zu", one, bytes);
        return;
    }
    void *data = width_fits(r, bytes / one) ? reading_memory(r, bytes, 1) : NULL;
    if (data == NULL) {
        return;
    }
    if (!base64_decode(text, data)) {
        reading_problem(r, "not valid base64");
    } else if (numbers_fit(r, data, dtype, bytes / one)) {
        out->dtype = dtype;
        out->width = (uint32_t)(bytes / one);
        out->data = data;
    }
}

/* read_text_hash returns the hash, or 0 if it is not valid. */
static uint64_t read_text_hash(reading *r, const json_t *value)
{
    const char *text = json_string_value(value);
    uint64_t hash = 0;
    if (text != NULL && strlen(text) == FEATURE_TEXT_HASH_DIGITS &&
        strspn(text, "0123456789abcdef") == FEATURE_TEXT_HASH_DIGITS) {
        hash = strtoull(text, NULL, 16);
    }
    if (hash == 0) {
        size_t before = reading_enter(r, "text_hash");
        reading_problem(r, "expected %d hexadecimal digits, not all 0", FEATURE_TEXT_HASH_DIGITS);
        reading_leave(r, before);
    }
    return hash;
}

static void read_feature_object(reading *r, const json_t *value, feature *out, uint64_t *hash)
{
    const json_t *dtype = json_object_get(value, "dtype");
    const json_t *text = json_object_get(value, "b64");
    const json_t *made_from = json_object_get(value, "text_hash");
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)value, name, member)
    {
        if (member != dtype && member != text && member != made_from) {
            size_t before = reading_enter(r, name);
            reading_problem(r, "unknown member; expected dtype, b64 and text_hash");
            reading_leave(r, before);
            return;
        }
    }
    bool f2 = json_is_string(dtype) && strcmp(json_string_value(dtype), "<f2") == 0;
    bool f4 = json_is_string(dtype) && strcmp(json_string_value(dtype), "<f4") == 0;
    if (!f2 && !f4) {
        size_t before = reading_enter(r, "dtype");
        reading_problem(r, "expected \"<f2\" or \"<f4\"");
        reading_leave(r, before);
        return;
    }
    size_t before = reading_enter(r, "b64");
    if (!json_is_string(text)) {
        reading_problem(r, "expected base64 as a string, not %s",
                        text ? reading_type(text) : "nothing");
    } else {
        read_base64(r, text, f2 ? FEATURE_F2 : FEATURE_F4, out);
    }
    reading_leave(r, before);
    if (made_from != NULL) {
        out->encoded = true;
        *hash = read_text_hash(r, made_from);
    }
}

void item_json_features(reading *r, const json_t *value, op_item *out)
{
    if (json_is_null(value)) {
        out->given |= OP_NO_FEATURES;
        return;
    }
    out->given |= OP_FEATURES;
    if (!json_is_object(value)) {
        reading_problem(r, "expected an object, not %s", reading_type(value));
        return;
    }
    size_t given = json_object_size(value);
    if (given > MODALITIES_MAX) {
        reading_problem(r, "expected at most %d modalities, not %zu", MODALITIES_MAX, given);
        return;
    }
    feature *list = reading_memory(r, given, sizeof *list);
    const char *name;
    json_t *member;
    if (list == NULL) {
        return;
    }
    json_object_foreach((json_t *)value, name, member)
    {
        size_t before = reading_enter(r, name);
        feature *f = &list[out->feature_count];
        if (reading_name(r, name, MODALITY_NAME_BYTES_MAX, &f->modality)) {
            out->feature_count++;
            if (json_is_array(member)) {
                read_feature_numbers(r, member, f);
            } else if (json_is_object(member)) {
                read_feature_object(r, member, f, &out->text_hash);
            } else if (!json_is_null(member)) {
                reading_problem(r, "expected a list of numbers or {\"dtype\",\"b64\"}, not %s",
                                reading_type(member));
            }
        }
        reading_leave(r, before);
        if (f->encoded && !r->options->encoded) { /* stays as stored */
            *f = (feature){0};
            out->feature_count--;
        }
    }
    out->text_hash = r->options->encoded ? out->text_hash : 0;
    out->features = list;
}
