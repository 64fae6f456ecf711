/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_state: holds what all phases of an import share: its transaction, the cells and tables of
 * its files, and the modalities of its report.
 */
#include <string.h>
#include <sys/stat.h>

#include "core/common/utf8.h"
#include "storage/import/import_cells.h"
#include "storage/import/import_state.h"

/* A transaction holds its dirty pages in memory, so a new one begins after GROUP_BYTES_MAX. */
enum { GROUP_BYTES_MAX = 32 * 1024 * 1024 };

err_code import_group(import_state *s, size_t bytes, store_write **out, err *e)
{
    err_code code = ERR_OK;
    *out = NULL;
    if (s->group != NULL && s->group_bytes > GROUP_BYTES_MAX) {
        code = import_group_end(s, e);
    }
    if (code == ERR_OK && s->group == NULL) {
        code = store_write_begin(s->staged, &s->group, e);
        s->group_bytes = 0;
    }
    s->group_bytes += bytes;
    *out = s->group;
    return code;
}

err_code import_group_end(import_state *s, err *e)
{
    store_write *group = s->group;
    s->group = NULL;
    return group == NULL ? ERR_OK : store_write_commit(group, e);
}

err_code import_id(const import_state *s, slice id, const char *what, err *e)
{
    if (id.length < 1 || id.length > ID_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "%s: expected an id of 1 to %d bytes, not %zu", what,
                       ID_BYTES_MAX, id.length);
    }
    if (!utf8_valid(id)) {
        return err_set(e, ERR_INVALID, "%s: the id is not valid UTF-8", what);
    }
    if (cell_is_nothing(id, s->options->null_words)) {
        return err_set(e, ERR_INVALID,
                       "%s: expected an id, not \"%.*s\", which counts as missing (--null-words)",
                       what, (int)utf8_cut(id, 40).length, id.at);
    }
    return ERR_OK;
}

err_code import_time(const import_state *s, slice cell, int64_t *seconds, err *e)
{
    const import_options *o = s->options;
    time_reading how = {
        .unit = o->time_unit > 0.0 ? o->time_unit : 1.0, .zone = s->zone, .now = o->now};
    return cell_time(cell, &how, seconds, e);
}

err_code import_table_of(const import_state *s, text_source *source, bool items, delimited **out,
                         err *e)
{
    delimited_options how = {.header = items ? s->options->items_header : s->options->header,
                             .separator = s->options->separator};
    return delimited_open(out, source, &how, e);
}

err_code import_open_table(const import_state *s, const char *path, bool items, delimited **out,
                           err *e)
{
    text_source *source = NULL;
    *out = NULL;
    err_code code = text_source_open(&source, path, e);
    return code == ERR_OK ? import_table_of(s, source, items, out, e) : code;
}

uint64_t import_file_bytes(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && status.st_size > 0 ? (uint64_t)status.st_size : 0;
}

import_modality *import_modality_of(import_state *s, slice name)
{
    import_report *report = s->report;
    for (size_t i = 0; i < report->modality_count; i++) {
        if (slice_equal(slice_of(report->modalities[i].name), name)) {
            return &report->modalities[i];
        }
    }
    if (report->modality_count == MODALITIES_MAX || name.length > MODALITY_NAME_BYTES_MAX) {
        return NULL;
    }
    import_modality *m = &report->modalities[report->modality_count++];
    memcpy(m->name, name.at, name.length);
    return m;
}
