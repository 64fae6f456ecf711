/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generations_sweep: removes held tables that nobody needs: those of pruned generations, and
 * incomplete ones of trainings that died.
 */
#include "core/common/mem.h"
#include "storage/models/model_private.h"

static err_code list_all(store *s, generation_info **list, size_t *count, err *e)
{
    store_read *r = NULL;
    *list = NULL;
    *count = 0;
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = held_list(r, list, count, e);
    }
    store_read_end(r);
    return code;
}

static err_code pruned(store *s, const generation_id *id, bool *gone, err *e)
{
    store_read *r = NULL;
    uint32_t number = 0;
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_number(r, id, &number, e);
    }
    store_read_end(r);
    *gone = code == ERR_NOT_FOUND;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

err_code generations_discard(store *s, uint32_t *removed, err *e)
{
    generation_info *list = NULL;
    size_t count = 0;
    *removed = 0;
    err_code code = list_all(s, &list, &count, e);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        bool gone = false;
        if (list[i].state == GENERATION_REGISTERED) {
            code = pruned(s, &list[i].id, &gone, e);
        }
        if (gone) {
            code = held_remove(s, &list[i].id, e);
            *removed += code == ERR_OK;
        }
    }
    mem_free(list);
    return code;
}

err_code generations_sweep(store *s, err *e)
{
    generation_info *list = NULL;
    size_t count = 0;
    err_code code = list_all(s, &list, &count, e);
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        if (list[i].state == GENERATION_BUILDING) {
            code = held_remove(s, &list[i].id, e);
        }
    }
    mem_free(list);
    return code;
}
