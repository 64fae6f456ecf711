/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interaction_json: converts an interaction to and from JSON.
 *
 * The API uses {"user","item","type","timestamp","weight"}. The lines of export and import can also
 * hold "split" ("train", "valid", "test"), "edge" and "seen", which the store keeps and the API
 * sets itself. Reading is as strict as for items (item_json.h).
 */
#ifndef STORAGE_INTERACTION_JSON_H
#define STORAGE_INTERACTION_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "core/common/interaction_types.h"
#include "core/common/slice.h"
#include "storage/exchange/item_json.h"
#include "storage/log/op.h"

typedef struct interaction_json_options {
    const interaction_types *types;
    /* used for an absent timestamp; other timestamps may be at most a day later */
    int64_t now;
    bool with_split; /* accept split, edge and seen */
    /* "a, b": other members that the caller reads, for the message about unknown members; NULL if
     * there are none */
    const char *also;
    arena *memory; /* strings are copied here */
    json_report report;
    void *report_ctx;
} interaction_json_options;

/* interaction_json_read makes an op_interaction from a document. Flags and weight come from the
 * type's settings unless the document has them. ERR_INVALID: a problem was reported. */
err_code interaction_json_read(const json_t *document, const interaction_json_options *options,
                               op_interaction *out, err *e) ERR_CHECKED;

/* interaction_json_new builds the document; with_split adds split, edge and seen. */
err_code interaction_json_new(json_t **out, const op_interaction *x, bool with_split,
                              err *e) ERR_CHECKED;

#endif
