/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_members: what the members of a file of JSON lines mean.
 *
 * The same options and names decide as for the columns of a table. There is no header, so members
 * are looked up when they first come, and remembered with what became of them, to be told at the
 * end. Private to import*.c; one thread at a time.
 */
#ifndef STORAGE_JSON_MEMBERS_H
#define STORAGE_JSON_MEMBERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/err.h"
#include "storage/import/column_meaning.h"
#include "storage/import/import_state.h"

/* More distinct members than this in one file are refused. */
enum { JSON_MEMBERS_MAX = 1024 };

typedef struct json_member {
    char *name;
    column_meaning meaning;
    bool own;         /* a member of the API's shape, spelt just so */
    uint64_t used;    /* lines whose value was used */
    uint64_t dropped; /* lines whose value was left out */
    uint64_t nested;  /* those of them whose value was an object, or a list of such or of numbers */
} json_member;

typedef struct json_members json_members;

/* json_members_new makes an empty collection for one file, of items or of interactions. Free with
 * json_members_free, which accepts NULL. */
err_code json_members_new(json_members **out, import_state *s, bool items, err *e) ERR_CHECKED;
void json_members_free(json_members *m);

/* json_members_find gives the entry of a name, borrowed until the free. ERR_INVALID: too many
 * distinct names; ERR_NOMEM. */
err_code json_members_find(json_members *m, const char *name, json_member **out,
                           err *e) ERR_CHECKED;

/* The members of one document by role: at most one each, that of the highest rank. */
typedef struct json_roles {
    json_member *of[ROLES]; /* NULL: the document has none */
    const json_t *value[ROLES];
} json_roles;

/* json_members_roles finds them. ERR_INVALID if two members of equal rank have the same role. */
err_code json_members_roles(json_members *m, const json_t *document, json_roles *out,
                            err *e) ERR_CHECKED;

/* json_members_cell gives the text that a table's cell would have: of a string, a number, true or
 * false; empty for null. A number's text is made in `memory`. False for objects and lists, and
 * without memory. */
bool json_members_cell(const json_t *value, arena *memory, slice *out);

/* json_members_time says of a time that the API's reader refused which option would make it
 * readable. `why` is the reader's error, and changes only if it is about `member`. */
void json_members_time(import_state *s, const json_t *document, const char *member, err *why);

/* json_members_tell tells in a note what the members meant, and which were left out, unless all
 * were of the API's shape. */
void json_members_tell(const json_members *m, const char *path);

#endif
