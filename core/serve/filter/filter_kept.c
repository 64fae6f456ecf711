/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_kept: names the bitmaps of attributes' values. See the header.
 */
#include "core/serve/filter/filter_kept.h"

#include <string.h>

/* No UTF-8 text begins with this byte, so no category has such a name. The interned form of a list
 * of texts has a multiple of four bytes, so it cannot be one of these nine-byte names either. */
enum { KEPT_MARK = 0xff, KEPT_NAME_BYTES = 1 + 2 * sizeof(uint32_t) };

static slice name_of(kept_value value, char room[KEPT_NAME_BYTES])
{
    room[0] = (char)KEPT_MARK;
    memcpy(room + 1, &value.name, sizeof value.name);
    memcpy(room + 1 + sizeof value.name, &value.value, sizeof value.value);
    return (slice){room, KEPT_NAME_BYTES};
}

uint32_t kept_find(const idmap *strings, kept_value value)
{
    char room[KEPT_NAME_BYTES];
    return idmap_find(strings, name_of(value, room), ROW_NONE);
}

err_code kept_intern(uint32_t *out, idmap *strings, kept_value value, err *e)
{
    char room[KEPT_NAME_BYTES];
    return idmap_intern(out, strings, name_of(value, room), e);
}

const pvec *kept_bitmap(const view *v, kept_value value)
{
    uint32_t number = kept_find(v->strings, value);
    const pvec *bitmap = number != ROW_NONE ? pvec_get(&v->categories, number) : NULL;
    return bitmap != NULL && bitmap->element_bytes > 0 ? bitmap : NULL;
}
