/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_names: the names that columns have in common files.
 *
 * One table serves the readers, --map, the help and docs/formats.md. Names are compared in lower
 * case and without "_", "-", "." and blanks. A role's own names come first. Names that only single
 * data sets use give way to them: a table with both "item_id" and "asin" has an id and an
 * attribute. Some of these give way to others: "asin" to "parent_asin". Columns of tables and
 * members of JSON lines use the same names. Pure; thread-safe.
 */
#ifndef STORAGE_IMPORT_NAMES_H
#define STORAGE_IMPORT_NAMES_H

#include <stdbool.h>
#include <stdio.h>

#include "core/common/slice.h"

/* What a column means. The roles from ROLE_TITLE on apply to items only. */
typedef enum import_role {
    ROLE_NONE = 0, /* unknown; in items an attribute */
    ROLE_ITEM,     /* of both files */
    ROLE_USER,
    ROLE_TIME,
    ROLE_RATING,
    ROLE_WEIGHT,
    ROLE_TYPE,
    ROLE_SPLIT,
    ROLE_TITLE,
    ROLE_DESCRIPTION,
    ROLE_CATEGORIES,
    ROLE_CREATED,
    ROLE_HIDDEN,
    ROLES
} import_role;

/* import_role_name gives the name of a role as --map takes it. */
const char *import_role_name(import_role role);

/* import_role_named finds a role by that name; "id" is ROLE_ITEM. ROLE_NONE: there is none. */
import_role import_role_named(slice name);

/* How well a column's name fits its role. Of two columns with the same role, the one of higher rank
 * gets it. */
typedef enum import_rank {
    RANK_NONE = 0,
    RANK_LATE,   /* a data set's name that gives way to other such names */
    RANK_OTHER,  /* a data set's name */
    RANK_OWN,    /* the role's own name */
    RANK_MAPPED, /* --map says so */
} import_rank;

/* import_role_of returns the role of a column by its name, in the items' file or (items false) in
 * the interactions' file, and the rank of the name. */
import_role import_role_of(slice column, bool items, import_rank *rank);

/* import_names_list writes the table for people, one row of Markdown for each role. */
void import_names_list(FILE *to);

/* import_names_known writes the roles by their first names, for messages: "user, item, timestamp,
 * ...". */
void import_names_known(bool items, char *out, size_t bytes);

#endif
