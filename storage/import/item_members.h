/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_members: converts an item with the members of other tools to the API's shape.
 *
 * An item whose id is called "id" is in the API's shape: unknown members are refused unless an
 * option says what they are. If the id has another name (parent_asin, business_id), the file was
 * made for another tool, and members without a role become attributes: texts, numbers, true, false
 * and lists of texts. Objects and lists of numbers are left out and counted. Private to import*.c.
 */
#ifndef STORAGE_ITEM_MEMBERS_H
#define STORAGE_ITEM_MEMBERS_H

#include <jansson.h>

#include "core/common/err.h"
#include "storage/import/json_members.h"

/* item_members_plain tells whether a document needs no change. */
bool item_members_plain(const import_options *options, const json_t *document);

/* item_members_translate makes a document that item_json_read accepts; the caller releases it.
 * ERR_INVALID names the member. */
err_code item_members_translate(json_t **out, import_state *s, json_members *members,
                                const json_t *document, err *e) ERR_CHECKED;

#endif
