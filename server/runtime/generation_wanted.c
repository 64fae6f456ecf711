/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/generation_wanted.h"

#include "core/common/arena.h"
#include "storage/log/generation_ops.h"
#include "storage/models/generations.h"

enum { GENERATIONS_BYTES_MAX = 64 * 1024 * 1024 };

err_code generation_ready(store *s, uint32_t generation, err *e)
{
    store_read *r = NULL;
    bool held = false;
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_held(r, generation, &held, e);
    }
    store_read_end(r);
    return code == ERR_OK && !held
               ? err_set(e, ERR_NOT_FOUND, "generation %u does not exist or is not ready",
                         generation)
               : code;
}

err_code generation_wanted(uint32_t *out, store *s, uint32_t considered, err *e)
{
    store_read *r = NULL;
    const generation_info *list = NULL;
    size_t count = 0;
    arena a;
    *out = 0;
    arena_init(&a, GENERATIONS_BYTES_MAX);
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_list(r, &a, &list, &count, e);
    }
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        bool wants = list[i].held && list[i].activate && !list[i].active;
        if (wants && list[i].number > considered) {
            *out = list[i].number;
        }
    }
    store_read_end(r);
    arena_fini(&a);
    return code;
}

err_code generation_behind(uint32_t *out, store *s, uint32_t serving, err *e)
{
    store_read *r = NULL;
    store_info now = {0};
    bool held = false;
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = store_read_stat(r, &now, e);
    }
    if (code == ERR_OK && now.generation != serving) {
        code = generation_held(r, now.generation, &held, e);
    }
    store_read_end(r);
    *out = code == ERR_OK && held ? now.generation : 0;
    return code;
}

err_code generation_unregistered(op **out, store *s, int64_t time, err *e)
{
    store_read *r = NULL;
    generation_info info;
    arena a;
    *out = NULL;
    arena_init(&a, GENERATIONS_BYTES_MAX);
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_pending(r, &a, &info, e);
    }
    store_read_end(r);
    if (code == ERR_OK) {
        code = op_register_new(out, &info, time, e);
    }
    arena_fini(&a);
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}
