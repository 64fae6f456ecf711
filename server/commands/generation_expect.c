/* SPDX-License-Identifier: Apache-2.0 */
#include "server/commands/generation_expect.h"

#include <stdio.h>

#include "core/common/arena.h"
#include "storage/models/generations.h"

enum { LIST_BYTES_MAX = 256 * 1024 * 1024, NAMED_MAX = 10 };

static err_code refuse(uint32_t number, const generation_info *infos, size_t count, err *e)
{
    char there[NAMED_MAX * 12 + 1] = "";
    size_t first = count > NAMED_MAX ? count - NAMED_MAX : 0;
    size_t used = 0;
    if (count == 0) {
        return err_set(e, ERR_NOT_FOUND,
                       "no generation %u; there is none yet: make one with stair train", number);
    }
    for (size_t i = first; i < count; i++) {
        used += (size_t)snprintf(there + used, sizeof there - used, "%s%u", i > first ? ", " : "",
                                 infos[i].number);
    }
    return err_set(e, ERR_NOT_FOUND, "no generation %u; there %s %s%s", number,
                   count == 1 ? "is" : "are", first > 0 ? "..., " : "", there);
}

err_code generation_expect(store *s, uint32_t number, err *e)
{
    arena memory;
    store_read *r = NULL;
    const generation_info *infos = NULL;
    size_t count = 0;
    arena_init(&memory, LIST_BYTES_MAX);
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_list(r, &memory, &infos, &count, e);
        store_read_end(r);
    }
    bool there = false;
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        there = there || infos[i].number == number;
    }
    if (code == ERR_OK && !there) {
        code = refuse(number, infos, count, e);
    }
    arena_fini(&memory);
    return code;
}
