/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys: the API keys and their roles.
 *
 * The file has one line per key: name, role (read, write, admin) and the SHA-256 of the key in
 * hexadecimal; '#' starts a comment. `stair key new` shows a key once; the key itself is stored
 * nowhere. A presented key is hashed and compared with every entry in constant time, so timing
 * reveals neither a near match nor a match.
 *
 * Threading: any thread may call keys_check; one thread at a time calls keys_load. A reload
 * publishes a new table by an atomic pointer. Old tables stay until keys_free, because readers take
 * no lock (one table of some hundred bytes for each SIGHUP).
 */
#ifndef SERVER_KEYS_H
#define SERVER_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/api.h"
#include "core/common/err.h"
#include "core/common/slice.h"

enum { KEYS_MAX = 1000, KEY_NAME_MAX = 64, KEY_TEXT_MAX = 64, KEY_BYTES_MAX = 256 };

typedef struct keys keys;

/* keys_new reads the file; `path` is copied. ERR_IO, or ERR_INVALID with the line. */
err_code keys_new(keys **out, const char *path, err *e) ERR_CHECKED;
void keys_free(keys *k);

/* keys_load reads the file again. After a failure the old keys stay in force. */
err_code keys_load(keys *k, err *e) ERR_CHECKED;

size_t keys_count(const keys *k);

/* keys_check returns the role of a presented key, or API_OPEN if it is unknown. *name is its name,
 * valid until keys_free, or NULL. */
api_role keys_check(const keys *k, slice presented, const char **name);

/* key_name_valid accepts 1 to KEY_NAME_MAX of A-Z a-z 0-9 . _ - */
bool key_name_valid(const char *name);

/* key_make makes a new key (`text`, NUL-terminated) and appends its line to the file at `path`,
 * which it creates with mode 0600 if necessary. ERR_CONFLICT: the name is in use. */
err_code key_make(const char *path, const char *name, api_role role, char text[KEY_TEXT_MAX],
                  err *e) ERR_CHECKED;

#endif
