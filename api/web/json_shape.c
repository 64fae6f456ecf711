/* SPDX-License-Identifier: Apache-2.0 */
#include "api/web/json_shape.h"

#include <stdbool.h>

json_shape json_shape_of(slice text)
{
    json_shape out = {0};
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.length; i++) {
        char at = text.at[i];
        if (quoted) {
            i += at == '\\';
            quoted = at != '"';
            continue;
        }
        quoted = at == '"';
        out.commas += at == ',';
        out.lists += at == '[';
        out.objects += at == '{';
        depth += at == '[' || at == '{';
        out.depth = depth > out.depth ? depth : out.depth;
        depth -= (at == ']' || at == '}') && depth > 0;
    }
    return out;
}
