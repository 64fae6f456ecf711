/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_tree: what every list of generations says of one, in the API and on the command line.
 */
#ifndef API_GENERATION_TREE_H
#define API_GENERATION_TREE_H

#include <jansson.h>

#include "storage/models/generations.h"

/* generation_tree gives number, UUID, SHA-256, state, active, created, users, items and bytes, to
 * which the caller adds. A new reference; NULL without memory. Thread-safe. */
json_t *generation_tree(const generation_info *g);

#endif
