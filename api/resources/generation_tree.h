/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_tree: the JSON members of a generation that the API and the command line share.
 */
#ifndef API_GENERATION_TREE_H
#define API_GENERATION_TREE_H

#include <jansson.h>

#include "storage/models/generations.h"

/* generation_tree makes an object with number, UUID, SHA-256, state, active, created, users, items
 * and bytes; the caller adds others. It returns a new reference, or NULL if memory runs out.
 * Thread-safe. */
json_t *generation_tree(const generation_info *g);

#endif
