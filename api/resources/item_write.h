/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_write: turns JSON items into an op, and computes beforehand what does not need the writer.
 *
 * Reading features and finding a new item's neighbours are the expensive parts of a write, so both
 * run on the request's thread. The vector is made from the features in the request. Applying the op
 * decides whether the vector is still valid.
 */
#ifndef API_ITEM_WRITE_H
#define API_ITEM_WRITE_H

#include "api/resources/write.h"
#include "api/web/body.h"
#include "api/web/context.h"
#include "storage/exchange/item_json.h"

/* item_write_one prepares a write of the item that `o` describes. `id` is the id in the path, or
 * absent. */
err_code item_write_one(const body_object *o, op_kind kind, slice id, err *e) ERR_CHECKED;

/* item_write_list prepares a write of the entries of "items". */
err_code item_write_list(const body_object *o, op_kind kind, err *e) ERR_CHECKED;

#endif
