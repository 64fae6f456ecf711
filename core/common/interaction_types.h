/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interaction_types: the effect of each interaction type on the model and the lists.
 *
 * A purchase counts in the graph and hides the item from its buyer's lists; a dismissal only hides
 * it. The API and import both use this table to set a record's flags and weight when the
 * interaction arrives; the record keeps them. Plain data: immutable once it is set up.
 */
#ifndef CORE_INTERACTION_TYPES_H
#define CORE_INTERACTION_TYPES_H

#include <stdint.h>

#include "core/common/change.h"
#include "core/common/err.h"
#include "core/common/item_fields.h"
#include "core/common/slice.h"

typedef struct interaction_type {
    char name[INTERACTION_TYPE_BYTES_MAX + 1];
    uint8_t flags; /* EDGE_IN_GRAPH, EDGE_SEEN */
    float weight;  /* in the graph, unless the interaction has its own; > 0 */
} interaction_type;

typedef struct interaction_types {
    interaction_type list[INTERACTION_TYPES_MAX];
    uint32_t count;
} interaction_types;

/* The type of an interaction without a type. */
#define INTERACTION_TYPE_DEFAULT "purchase"

/* The configuration text of the built-in table. */
#define INTERACTION_TYPES_DEFAULT "purchase=edge+seen:1,cart=edge:1,view=edge:1,dismiss=seen"

/* interaction_types_parse reads "NAME=edge+seen[:WEIGHT],..." with names of [A-Za-z0-9_.-]; `edge`,
 * `seen`, both or `none`; weights in (0, 1000]. The type "purchase" must be among them. ERR_INVALID
 * names the entry. */
err_code interaction_types_parse(interaction_types *out, const char *text, err *e) ERR_CHECKED;

/* interaction_types_find borrows the entry of a type, or returns NULL. */
const interaction_type *interaction_types_find(const interaction_types *types, slice name);

#endif
