/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/embed_call.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/item_fields.h"
#include "core/common/mem.h"

/* A number of a vector takes up to about 24 bytes of text, so these limits allow widths of
 * 20,000. */
enum { ANSWER_FRAME_BYTES = 64 * 1024, ANSWER_TEXT_BYTES = 512 * 1024, ANSWER_MOST = 64 << 20 };

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
        json_int_t at = json_is_integer(index) ? json_integer_value(index) : (json_int_t)i;
        if (at < 0 || (size_t)at >= out->count || seen[at]) {
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
    json_t *answer = json_loadb(body.at != NULL ? body.at : "", body.length, 0, &why);
    if (answer == NULL) {
        return err_set(e, ERR_INVALID, "the answer is not JSON: %.100s", why.text);
    }
    const json_t *data = json_object_get(answer, "data");
    err_code code = ERR_OK;
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
