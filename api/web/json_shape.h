/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_shape: how many lists, objects and values a JSON text has, without building anything.
 *
 * A parsed value takes up to a hundred times the bytes of its text, so a text from outside is
 * counted before it is parsed. Strings are skipped. The text need not be JSON.
 */
#ifndef API_JSON_SHAPE_H
#define API_JSON_SHAPE_H

#include <stddef.h>

#include "core/common/slice.h"

typedef struct json_shape {
    size_t lists, objects;
    size_t commas; /* outside strings; there are at most commas + lists + objects + 1 values */
    size_t depth;  /* of the deepest list or object; 0 if there is none */
} json_shape;

json_shape json_shape_of(slice text);

#endif
