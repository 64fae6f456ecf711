/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/generation_refit.h"

#include <jansson.h>

enum { SUMMARY_BYTES_MAX = 64 << 20 };

bool generation_refitted(const generation_info *info)
{
    json_t *summary = json_loadb(info->summary.at, info->summary.length, 0, NULL);
    bool refit = json_is_true(json_object_get(summary, "refit"));
    json_decref(summary);
    return refit;
}

err_code generation_read_refitted(store *s, uint32_t number, bool *refitted, err *e)
{
    arena a;
    arena_init(&a, SUMMARY_BYTES_MAX);
    store_read *r = NULL;
    generation_info info = {0};
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_get(r, number, &a, &info, e);
    }
    *refitted = code == ERR_OK && generation_refitted(&info);
    store_read_end(r);
    arena_fini(&a);
    return code;
}
