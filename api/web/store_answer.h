/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_answer: builds JSON documents from stored records.
 *
 * Reads of single records are not performance-critical, so they build jansson trees. This module
 * has what they share: members that are never NULL, cursors, and writing the tree into the
 * response.
 */
#ifndef API_STORE_ANSWER_H
#define API_STORE_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/web/context.h"
#include "core/common/err.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

/* tree_put writes a tree with the shortest numbers that read back unchanged. (jansson's own writer
 * gives 9.95 seventeen digits.) The trees are built here, so they are not deep. */
void tree_put(buffer *b, const json_t *tree);

/* answer_tree writes the document into the response and releases it. ERR_NOMEM: the document is
 * NULL. */
err_code answer_tree(context *c, json_t *taken, err *e) ERR_CHECKED;

/* tree_text makes a JSON string, or null if the slice is absent. tree_time makes RFC 3339. */
json_t *tree_text(slice text);
json_t *tree_time(int64_t seconds);

/* tree_float makes a number with the nine digits that a float has. */
json_t *tree_float(float value);

/* tree_generation makes the number of a generation, or null for 0. */
json_t *tree_generation(uint32_t generation);

/* A cursor is the row at which to continue. It is opaque to clients. */
json_t *tree_cursor(bool more, uint32_t row);
bool query_cursor(context *c, uint32_t *row);
void query_limit(context *c, size_t *limit);

#endif
