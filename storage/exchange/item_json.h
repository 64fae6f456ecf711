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
    /* A whole item; `id` must be there. Null is the same as no such member, except that features
     * that are null are removed and those that are absent stay. */
    ITEM_JSON_PUT,
    ITEM_JSON_PATCH, /* RFC 7396: null removes; `id` must be there */
} item_json_mode;

typedef struct item_json_options {
    item_json_mode mode;
    slice id;      /* given by the path instead of the document, which may repeat it; or absent */
    int64_t now;   /* epoch seconds: `created` may be at most a day later */
    arena *memory; /* what the op_item points at; arrays are copied here */
    json_report report;
    void *report_ctx;
} item_json_options;

/* item_json_read makes an op_item of a document. ERR_INVALID if anything was reported; ERR_NOMEM.
 * `given` says which members the document has. Strings are copied into options->memory. */
err_code item_json_read(const json_t *document, const item_json_options *options, op_item *out,
                        err *e) ERR_CHECKED;

/* Members of the document that item_json_new writes; the id is always there. */
enum {
    ITEM_JSON_TITLE = 1,
    ITEM_JSON_CATEGORIES = 2,
    ITEM_JSON_ATTRIBUTES = 4,
    ITEM_JSON_CREATED = 8,
    ITEM_JSON_HIDDEN = 16,
    ITEM_JSON_DESCRIPTION = 32,
    ITEM_JSON_ALL = 63
};

/* item_json_new builds the document of a stored item, `features` (count, may be 0) as base64, which
 * is exact. A title, a description or features that the item lacks are left out; all else that
 * `members` asks for is written, empty too. Caller releases with json_decref. */
err_code item_json_new(json_t **out, const stored_item *it, unsigned members,
                       const feature *features, size_t feature_count, err *e) ERR_CHECKED;

/* attribute_json_new and feature_json_new build one value; NULL without memory. */
json_t *attribute_json_new(const attribute *a);
json_t *feature_json_new(const feature *f);

#endif
