/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item_reading: what the readers of an item's JSON members share: the walk through the document,
 * and error reports by JSON pointer.
 *
 * Used by item_json.c and item_json_features.c. One thread at a time.
 */
#ifndef STORAGE_ITEM_READING_H
#define STORAGE_ITEM_READING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/common/slice.h"
#include "storage/exchange/item_json.h"
#include "storage/log/op.h"

enum { READING_POINTER_MAX = 1024 };

/* Where the reader is in the document, and whether it found a problem. */
typedef struct reading {
    const item_json_options *options;
    char pointer[READING_POINTER_MAX];
    size_t length; /* bytes in `pointer` */
    bool bad;
    bool nomem;
} reading;

/* reading_enter appends "/name" to the pointer, with RFC 6901's escapes. It returns the length to
 * which reading_leave cuts the pointer back. */
size_t reading_enter(reading *r, const char *name);
size_t reading_enter_index(reading *r, size_t index);
void reading_leave(reading *r, size_t before);

/* reading_problem reports a problem at the current place. */
void reading_problem(reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* reading_type names the type of a value in a problem: "a list". */
const char *reading_type(const json_t *value);

/* reading_memory allocates from the arena. If it has no memory left, it returns NULL and sets
 * `nomem`. */
void *reading_memory(reading *r, size_t count, size_t size);

/* reading_text copies a string of `least` to `most` bytes. reading_name copies a member's name of 1
 * to bytes_max bytes. They return false after reporting a problem, and if memory runs out. */
bool reading_text(reading *r, const json_t *value, size_t least, size_t most, slice *out);
bool reading_name(reading *r, const char *name, size_t bytes_max, slice *out);

/* item_json_features reads the member `features` (item_json_features.c). */
void item_json_features(reading *r, const json_t *value, op_item *out);

#endif
