/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/generation_base.h"

#include <omp.h>

#include "core/common/arena.h"
#include "server/load/live_load.h"
#include "server/load/words_load.h"

enum { FOLD_ROWS = 256, ITEM_BYTES_MAX = 64 * 1024 * 1024 };

/* fold_rows adds the items of a few hundred rows, in one short transaction, so that a large
 * catalogue does not hold one open. */
static err_code fold_rows(base *b, store *s, const view *v, uint32_t first, uint32_t end, arena *a,
                          err *e)
{
    store_read *r = NULL;
    err_code code = store_read_begin(s, &r, e);
    for (uint32_t row = first; code == ERR_OK && row < end; row++) {
        item_content content;
        if ((view_item_flags(v, row) & ITEM_EXISTS) == 0) {
            continue;
        }
        arena_reset(a);
        code = item_content_get(r, row, a, &content, e);
        if (code == ERR_NOT_FOUND) {
            code = ERR_OK;
            continue;
        }
        if (code == ERR_OK) {
            code = base_fold_item(b, row, &content, e);
        }
    }
    store_read_end(r);
    return code;
}

err_code generation_read(base **out, store *s, uint32_t generation, int threads, err *e)
{
    omp_set_num_threads(threads);
    err_code code = base_load(s, generation, (unsigned)threads, out, e);
    return code == ERR_OK ? code : err_context(e, "generation %u", generation);
}

err_code generation_fold(base *b, store *s, const view *v, err *e)
{
    arena a;
    err_code code = ERR_OK;
    arena_init(&a, ITEM_BYTES_MAX);
    size_t rows = view_item_rows(v);
    for (size_t first = base_items(b); code == ERR_OK && first < rows; first += FOLD_ROWS) {
        size_t end = first + FOLD_ROWS < rows ? first + FOLD_ROWS : rows;
        code = fold_rows(b, s, v, (uint32_t)first, (uint32_t)end, &a, e);
    }
    arena_fini(&a);
    return code == ERR_OK ? code : err_context(e, "generation %u", base_generation(b));
}

err_code generation_base(base **out, store *s, const view *v, uint32_t generation, int threads,
                         err *e)
{
    err_code code = generation_read(out, s, generation, threads, e);
    if (code == ERR_OK) {
        code = generation_fold(*out, s, v, e);
    }
    if (code != ERR_OK) {
        base_release(*out);
        *out = NULL;
    }
    return code;
}
