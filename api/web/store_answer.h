/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_answer: builds JSON documents from stored records.
 *
 * Reads of single records are not the hot path, so they build jansson trees. This module has what
 * they share: members that are never NULL, cursors, and writing the tree into the response.
 */
#ifndef API_STORE_ANSWER_H
#define API_STORE_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/web/context.h"
#include "core/common/err.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

/* tree_put writes a tree with the shortest numbers that read back as themselves, which jansson's
 * own writer does not find (it makes 9.95 of seventeen digits). Trees are ours, so not deep. */
void tree_put(buffer *b, const json_t *tree);

/* answer_tree writes the document into the response and releases it; NULL is ERR_NOMEM. */
err_code answer_tree(context *c, json_t *taken, err *e) ERR_CHECKED;

/* tree_text makes a JSON string of a slice, or null if it is absent; tree_time RFC 3339. */
json_t *tree_text(slice text);
json_t *tree_time(int64_t seconds);

/* tree_float makes a number of the nine digits that a float has. */
json_t *tree_float(float value);

/* tree_generation makes the number of a generation, or null for 0. */
json_t *tree_generation(uint32_t generation);

/* A cursor is a row from which to go on, opaque outside. */
json_t *tree_cursor(bool more, uint32_t row);
bool query_cursor(context *c, uint32_t *row);
void query_limit(context *c, size_t *limit);

#endif
