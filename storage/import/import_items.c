/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_items reads the items' file. Its readers write each item into the staged store as they
 * read it.
 */

#include "core/common/bits.h"
#include "core/common/sort.h"
#include "storage/import/import_state.h"
#include "storage/records/items.h"

static err_code read_file(import_state *s, err *e)
{
    const char *path = s->options->items;
    text_source *source = NULL;
    err_code code = text_source_open(&source, path, e);
    if (code == ERR_OK) {
        code = text_source_is_json(source) ? import_items_jsonl(s, source, e)
                                           : import_items_table(s, source, e);
    }
    if (code == ERR_OK && s->file_count == 0 && s->current->lines == 0) {
        code = err_set(e, ERR_INVALID, "%s:1: the file is empty; expected items", path);
    }
    return code;
}

err_code import_items(import_state *s, err *e)
{
    err why = ERR_INIT;
    if (s->options->items == NULL) {
        return ERR_OK;
    }
    s->current = &s->faults[0];
    why.code = read_file(s, &why);
    return import_file_read(s, &why, e);
}
