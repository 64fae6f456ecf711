/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_json: converts an item to and from JSON.
 *
 * {"id","title","description","categories","attributes","created","hidden","features"} is the shape
 * of the API, of the lines that import reads and of those that export writes. Reading is strict:
 * unknown members, wrong types, values out of range and invalid UTF-8 are problems, each reported
 * with its JSON pointer below the document ("/features/text/3"), so that a caller sees all of them
 * at once.
 *
 * Pure but for the arena; one thread at a time per arena. jansson strings may hold NUL
 * (JSON_ALLOW_NUL) and are taken by length.
 */
#ifndef STORAGE_ITEM_JSON_H
#define STORAGE_ITEM_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "storage/log/op.h"
#include "storage/records/items.h"

/* Called for every problem; both strings are valid during the call only. */
typedef void (*json_report)(void *ctx, const char *pointer, const char *detail);

typedef enum item_json_mode {
    /* A whole item with an `id`. A null member is the same as an absent one, except in features:
     * null removes a vector, and an absent one stays as stored. */
    ITEM_JSON_PUT,
    ITEM_JSON_PATCH, /* RFC 7396: null removes; `id` is required */
} item_json_mode;

typedef struct item_json_options {
    item_json_mode mode;
    /* from the path; the document may repeat it. Absent if it must be in the document */
    slice id;
    int64_t now;   /* epoch seconds: `created` may be at most a day later */
    arena *memory; /* what the op_item points at; arrays are copied here */
    /* read vectors with a text_hash, as `encoded`; without this they are checked and left out */
    bool encoded;
    json_report report;
    void *report_ctx;
} item_json_options;

/* A text_hash is written with this many hexadecimal digits. */
enum { FEATURE_TEXT_HASH_DIGITS = 16 };

/* item_json_read makes an op_item from a document. `given` tells which members the document has.
 * Strings are copied into options->memory. ERR_INVALID: a problem was reported. ERR_NOMEM. */
err_code item_json_read(const json_t *document, const item_json_options *options, op_item *out,
                        err *e) ERR_CHECKED;

/* Which members item_json_new writes. It always writes the id. */
enum {
    ITEM_JSON_TITLE = 1,
    ITEM_JSON_CATEGORIES = 2,
    ITEM_JSON_ATTRIBUTES = 4,
    ITEM_JSON_CREATED = 8,
    ITEM_JSON_HIDDEN = 16,
    ITEM_JSON_DESCRIPTION = 32,
    ITEM_JSON_ALL = 63
};

/* item_json_new builds the document of a stored item. `features` (count, may be 0) are written as
 * base64, which is exact; one that an encoder made also gets "text_hash", the hash of the text that
 * it was made from. It leaves out a title, a description or features that the item lacks, and
 * writes all other requested members, also empty ones. Release the document with json_decref. */
err_code item_json_new(json_t **out, const stored_item *it, unsigned members,
                       const feature *features, size_t feature_count, err *e) ERR_CHECKED;

/* attribute_json_new and feature_json_new build one value. They return NULL if memory runs out. */
json_t *attribute_json_new(const attribute *a);
json_t *feature_json_new(const feature *f);

#endif
