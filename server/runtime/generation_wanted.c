/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/generation_wanted.h"

#include "core/common/arena.h"
#include "storage/models/generations.h"

enum { GENERATIONS_BYTES_MAX = 64 * 1024 * 1024 };

err_code generation_ready(store *s, uint32_t generation, err *e)
{
    store_read *r = NULL;
    arena a;
    generation_info info;
    err why = ERR_INIT;
    arena_init(&a, GENERATIONS_BYTES_MAX);
    err_code rc = store_read_begin(s, &r, e);
    if (rc == ERR_OK) {
        rc = generation_get(r, generation, &a, &info, &why);
        if (rc == ERR_NOT_FOUND || (rc == ERR_OK && info.state != GENERATION_READY)) {
            rc = err_set(e, ERR_NOT_FOUND, "there is no generation %u that is ready", generation);
        } else if (rc != ERR_OK) {
            rc = err_set(e, rc, "%s", why.text);
        }
    }
    store_read_end(r);
    arena_fini(&a);
    return rc;
}

err_code generation_wanted(uint32_t *out, store *s, uint32_t considered, err *e)
{
    store_read *r = NULL;
    const generation_info *list = NULL;
    size_t count = 0;
    arena a;
    *out = 0;
    arena_init(&a, GENERATIONS_BYTES_MAX);
    err_code rc = store_read_begin(s, &r, e);
    if (rc == ERR_OK) {
        rc = generation_list(r, &a, &list, &count, e);
    }
    for (size_t i = 0; rc == ERR_OK && i < count; i++) {
        bool wants = list[i].state == GENERATION_READY && list[i].activate && !list[i].active;
        if (wants && list[i].number > considered) {
            *out = list[i].number;
        }
    }
    store_read_end(r);
    arena_fini(&a);
    return rc;
}
