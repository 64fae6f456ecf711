/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys: the API keys and their roles.
 *
 * The file has one line per key: name, role (read, write, admin) and the SHA-256 of the key in
 * hexadecimal; '#' starts a comment. `stair key new` shows a key once; the key itself is stored
 * nowhere. A presented key is hashed and compared with every entry in constant time, so timing
 * reveals neither a near match nor a match.
 *
 * Threading: keys_check from any thread; keys_load from one at a time. A reload publishes a new
 * table by an atomic pointer. Old tables stay until keys_free, because readers take no lock (one
 * table per SIGHUP, some hundred bytes).
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

/* keys_load reads the file again; on failure the keys in force stay in force. */
err_code keys_load(keys *k, err *e) ERR_CHECKED;

size_t keys_count(const keys *k);

/* keys_check gives the role of a presented key, API_OPEN if it is none of ours, and its name, which
 * stays until keys_free; NULL for none. */
api_role keys_check(const keys *k, slice presented, const char **name);

/* key_name_valid: 1 to KEY_NAME_MAX of A-Z a-z 0-9 . _ - */
bool key_name_valid(const char *name);

/* key_make draws a new key (`text`, ended by NUL) and appends its line to the file at `path`,
 * which is made with mode 0600 if need be. ERR_CONFLICT if the name is in use. */
err_code key_make(const char *path, const char *name, api_role role, char text[KEY_TEXT_MAX],
                  err *e) ERR_CHECKED;

#endif
