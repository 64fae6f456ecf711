/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes items as JSON documents; item_json.c reads them.
 *
 * jansson takes over a reference even when its _new setters fail. So each value is handed over as
 * soon as it is made, and any failure shows as one NULL at the end.
 */
#include <stdio.h>

#include "core/common/base64.h"
#include "core/common/mem.h"
#include "core/common/timestamp.h"
#include "storage/exchange/item_json.h"

static json_t *text_new(slice text)
{
    return json_stringn(text.at != NULL ? text.at : "", text.length);
}

static json_t *texts_new(const slice *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (json_array_append_new(list, text_new(texts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *attribute_json_new(const attribute *a)
{
    switch (a->kind) {
    case ATTRIBUTE_TEXT: return text_new(a->text);
    case ATTRIBUTE_NUMBER:
        /* write 20 as 20, not 20.0; beyond 2^53 a double is not an exact integer */
        if (a->number >= -9007199254740992.0 && a->number <= 9007199254740992.0 &&
            a->number == (double)(json_int_t)a->number) {
            return json_integer((json_int_t)a->number);
        }
        return json_real(a->number);
    case ATTRIBUTE_BOOL: return json_boolean(a->truth);
    case ATTRIBUTE_TEXTS: return texts_new(a->texts, a->text_count);
    default: return json_null();
    }
}

json_t *feature_json_new(const feature *f)
{
    size_t bytes = (size_t)f->width * feature_dtype_bytes(f->dtype);
    char *text = mem_array(base64_encoded_length(bytes), 1);
    if (text == NULL) {
        return NULL;
    }
    base64_encode(f->data, bytes, text);
    json_t *out = json_pack("{s:s, s:s%}", "dtype", f->dtype == FEATURE_F2 ? "<f2" : "<f4", "b64",
                            text, base64_encoded_length(bytes));
    mem_free(text);
    return out;
}

static json_t *attributes_new(const stored_item *it)
{
    json_t *object = json_object();
    for (uint32_t i = 0; object != NULL && i < it->attribute_count; i++) {
        const attribute *a = &it->attributes[i];
        if (json_object_setn_new(object, a->name.at, a->name.length, attribute_json_new(a)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *text_hash_new(uint64_t hash)
{
    char text[FEATURE_TEXT_HASH_DIGITS + 1];
    snprintf(text, sizeof text, "%0*llx", FEATURE_TEXT_HASH_DIGITS, (unsigned long long)hash);
    return json_string(text);
}

static json_t *features_new(const feature *features, size_t count, uint64_t text_hash)
{
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < count; i++) {
        const feature *f = &features[i];
        json_t *value = feature_json_new(f);
        int bad = json_object_setn_new(object, f->modality.at, f->modality.length, value);
        if (bad == 0 && f->encoded && text_hash != 0) {
            bad = json_object_set_new(value, "text_hash", text_hash_new(text_hash));
        }
        if (bad != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *created_new(int64_t created)
{
    char text[TIMESTAMP_TEXT_MAX];
    timestamp_format(created, text);
    return json_string(text);
}

err_code item_json_new(json_t **out, const stored_item *it, unsigned members,
                       const feature *features, size_t feature_count, err *e)
{
    *out = NULL;
    json_t *object = json_object();
    int bad = object == NULL ? -1 : json_object_set_new(object, "id", text_new(it->id));
    if (bad == 0 && (members & ITEM_JSON_TITLE) && it->title.at != NULL) {
        bad = json_object_set_new(object, "title", text_new(it->title));
    }
    if (bad == 0 && (members & ITEM_JSON_DESCRIPTION) && it->description.at != NULL) {
        bad = json_object_set_new(object, "description", text_new(it->description));
    }
    if (bad == 0 && (members & ITEM_JSON_CATEGORIES)) {
        bad = json_object_set_new(object, "categories",
                                  texts_new(it->categories, it->category_count));
    }
    if (bad == 0 && (members & ITEM_JSON_ATTRIBUTES)) {
        bad = json_object_set_new(object, "attributes", attributes_new(it));
    }
    if (bad == 0 && (members & ITEM_JSON_CREATED)) {
        bad = json_object_set_new(object, "created", created_new(it->created));
    }
    if (bad == 0 && (members & ITEM_JSON_HIDDEN)) {
        bad = json_object_set_new(object, "hidden", json_boolean(it->hidden));
    }
    if (bad == 0 && feature_count > 0) {
        bad = json_object_set_new(object, "features",
                                  features_new(features, feature_count, it->encoded_hash));
    }
    if (bad != 0) {
        json_decref(object);
        return err_nomem(e, "an item's document");
    }
    *out = object;
    return ERR_OK;
}
