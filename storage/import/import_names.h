/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_names: what the columns of the field's files are called.
 *
 * One table serves the readers, --map, the help and docs/formats.md. Names are compared in small
 * letters and without "_", "-", "." and blanks. A role's own names come first; the names that
 * single data sets use give way to them, so that a table with both "item_id" and "asin" has an id
 * and an attribute. Among those, some give way to the others: "asin" to "parent_asin". The names
 * of columns and of the members of JSON lines are looked up alike. Pure; thread-safe.
 */
#ifndef STORAGE_IMPORT_NAMES_H
#define STORAGE_IMPORT_NAMES_H

#include <stdbool.h>
#include <stdio.h>

#include "core/common/slice.h"

/* What a column means. Those from ROLE_TITLE on are of items only. */
typedef enum import_role {
    ROLE_NONE = 0, /* unknown; of items: an attribute */
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

/* How well a column fits its role: of two with the same role, the one of higher rank has it. */
typedef enum import_rank {
    RANK_NONE = 0,
    RANK_LATE,   /* a data set's name that gives way to others */
    RANK_OTHER,  /* a data set's name */
    RANK_OWN,    /* the role's own name */
    RANK_MAPPED, /* --map says so */
} import_rank;

/* import_role_of tells what a column of the items' file (else of the interactions') means by its
 * name, and by which of its names. */
import_role import_role_of(slice column, bool items, import_rank *rank);

/* import_names_list writes the table for people: one row of Markdown a role. */
void import_names_list(FILE *to);

/* import_names_known writes the roles and their first names, for messages:
 * "user, item, timestamp, ...". */
void import_names_known(bool items, char *out, size_t bytes);

#endif
