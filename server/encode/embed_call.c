/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/embed_call.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/web/json_shape.h"
#include "core/common/item_fields.h"
#include "core/common/mem.h"

/* A number of a vector takes up to about 24 bytes of text, so these limits allow widths of
 * 20,000. */
enum {
    WIDTH_USUAL = 20000,
    ANSWER_FRAME_BYTES = 64 * 1024,
    ANSWER_TEXT_BYTES = 512 * 1024,
    ANSWER_MOST = 64 << 20,
};

/* How many lists (objects included) and values an answer may have besides its numbers: OTHER_VALUES
 * for the answer, ENTRY_LISTS and ENTRY_VALUES for each text. */
enum { OTHER_VALUES = 256, ENTRY_LISTS = 8, ENTRY_VALUES = 32 };

size_t embed_answer_bytes_max(size_t count)
{
    size_t bytes = ANSWER_FRAME_BYTES + count * ANSWER_TEXT_BYTES;
    return bytes < ANSWER_MOST ? bytes : ANSWER_MOST;
}

err_code embed_request(char **out, size_t *length, const char *model, const slice *texts,
                       size_t count, err *e)
{
    json_t *input = json_array();
    *out = NULL;
    *length = 0;
    for (size_t i = 0; input != NULL && i < count; i++) {
        if (json_array_append_new(input, json_stringn(texts[i].at, texts[i].length)) != 0) {
            json_decref(input);
            return err_set(e, ERR_INVALID, "text %zu cannot be written as JSON", i);
        }
    }
    json_t *body = json_pack("{s:s, s:o}", "model", model != NULL ? model : "", "input", input);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (text != NULL) {
        *length = strlen(text);
        *out = mem_string(text, *length);
        free(text); /* allocated by json_dumps */
    }
    return *out != NULL ? ERR_OK : err_nomem(e, "a call of the encoder");
}

/* check_shape bounds what parsing allocates. Without it, an answer of many tiny values takes a
 * hundred times its size in memory. */
static err_code check_shape(slice body, size_t count, uint32_t width, err *e)
{
    json_shape shape = json_shape_of(body);
    size_t lists = shape.lists + shape.objects, values = shape.commas;
    size_t lists_max = OTHER_VALUES + count * ENTRY_LISTS;
    size_t values_max = OTHER_VALUES + count * (ENTRY_VALUES + (width > 0 ? width : WIDTH_USUAL));
    if (lists > lists_max || values > values_max) {
        return err_set(e, ERR_INVALID,
                       "the answer to %zu texts has %zu lists and %zu values, at most %zu and %zu "
                       "are allowed",
                       count, lists, values, lists_max, values_max);
    }
    return ERR_OK;
}

static err_code read_vector(embed_vectors *out, size_t at, const json_t *list, err *e)
{
    if (!json_is_array(list)) {
        return err_set(e, ERR_INVALID, "vector %zu of the answer: expected a list of numbers", at);
    }
    size_t width = json_array_size(list);
    if (out->width == 0 && width > 0 && width <= FEATURE_WIDTH_MAX) {
        out->width = (uint32_t)width;
        out->numbers = mem_array(out->count * width, sizeof *out->numbers);
    }
    if (width != out->width || width == 0) {
        return err_set(e, ERR_INVALID, "vector %zu of the answer: expected %u numbers, not %zu", at,
                       out->width, width);
    }
    if (out->numbers == NULL) {
        return err_nomem(e, "the encoder's vectors");
    }
    for (size_t j = 0; j < width; j++) {
        const json_t *number = json_array_get(list, j);
        double value = json_number_value(number);
        if (!json_is_number(number) || !(fabs(value) <= FEATURE_MAGNITUDE_MAX)) {
            return err_set(e, ERR_INVALID,
                           "vector %zu of the answer: entry %zu is not a finite number", at, j);
        }
        out->numbers[at * width + j] = (float)value;
    }
    return ERR_OK;
}

static err_code read_vectors(embed_vectors *out, const json_t *data, err *e)
{
    bool *seen = mem_array(out->count, sizeof *seen);
    err_code code = seen != NULL ? ERR_OK : err_nomem(e, "the encoder's vectors");
    for (size_t i = 0; code == ERR_OK && i < out->count; i++) {
        const json_t *entry = json_array_get(data, i);
        const json_t *index = json_object_get(entry, "index");
        bool told = index != NULL && !json_is_null(index);
        json_int_t at = told ? json_integer_value(index) : (json_int_t)i;
        if ((told && !json_is_integer(index)) || at < 0 || (size_t)at >= out->count || seen[at]) {
            code = err_set(e, ERR_INVALID,
                           "the answer does not have exactly one vector for each text");
        } else {
            seen[at] = true;
            code = read_vector(out, (size_t)at, json_object_get(entry, "embedding"), e);
        }
    }
    mem_free(seen);
    return code;
}

err_code embed_answer(embed_vectors *out, slice body, size_t count, uint32_t width, err *e)
{
    json_error_t why;
    *out = (embed_vectors){.count = count, .width = width};
    err_code code = check_shape(body, count, width, e);
    if (code != ERR_OK) {
        return code;
    }
    json_t *answer =
        json_loadb(body.at != NULL ? body.at : "", body.length, JSON_REJECT_DUPLICATES, &why);
    if (answer == NULL) {
        return err_set(e, ERR_INVALID, "the answer is not JSON: %.100s", why.text);
    }
    const json_t *data = json_object_get(answer, "data");
    if (!json_is_array(data)) {
        code = err_set(e, ERR_INVALID, "the answer has no list \"data\"");
    } else if (json_array_size(data) != count) {
        code = err_set(e, ERR_INVALID, "the answer has %zu vectors for %zu texts",
                       json_array_size(data), count);
    }
    if (code == ERR_OK && width > 0) {
        out->numbers = mem_array(count * width, sizeof *out->numbers);
    }
    if (code == ERR_OK) {
        code = read_vectors(out, data, e);
    }
    json_decref(answer);
    if (code != ERR_OK) {
        embed_vectors_fini(out);
    }
    return code;
}

void embed_vectors_fini(embed_vectors *v)
{
    mem_free(v->numbers);
    *v = (embed_vectors){0};
}
