/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_members: what the members of a file of JSON lines mean.
 *
 * The same options and names apply as to the columns of a table. There is no header, so a member is
 * looked up when it first occurs. The collection remembers how each member was used, for the report
 * at the end. Private to import*.c; one thread at a time.
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
    bool own;         /* its name is exactly that of a member in the API's shape */
    uint64_t used;    /* lines whose value was used */
    uint64_t dropped; /* lines whose value was left out */
    /* of those, lines whose value was an object or a list of objects or numbers */
    uint64_t nested;
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

/* The members of one document by role. If several have the same role, the one of the highest rank
 * counts. */
typedef struct json_roles {
    json_member *of[ROLES]; /* NULL if the document has none */
    const json_t *value[ROLES];
} json_roles;

/* json_members_roles finds them. ERR_INVALID if two members of equal rank have the same role. */
err_code json_members_roles(json_members *m, const json_t *document, json_roles *out,
                            err *e) ERR_CHECKED;

/* json_members_cell returns the text that a table's cell would have, for a string, a number, true
 * or false; for null the empty text. A number's text is allocated in `memory`. It returns false for
 * objects and lists, and if memory runs out. */
bool json_members_cell(const json_t *value, arena *memory, slice *out);

/* json_members_time extends the error `why` of the API's reader about a time: it names the option
 * that would make the time readable. It leaves `why` alone unless the error is about `member`. */
void json_members_time(import_state *s, const json_t *document, const char *member, err *why);

/* json_members_tell reports in a note what the members meant and which were left out. It reports
 * nothing if all belong to the API's shape. */
void json_members_tell(const json_members *m, const char *path);

#endif
