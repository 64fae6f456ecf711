/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_append writes interactions into a store that has none. It appends the records of users and
 * those of items in order, so no record needs a search and the pages are full.
 */

#include "core/common/mem.h"
#include "core/common/sort.h"
#include "storage/import/import_state.h"

enum { SIDE_BYTES = 32, TICK_EVERY = 16384 };

static int by_user(const void *a, const void *b)
{
    const import_edge *x = a;
    const import_edge *y = b;
    if (x->user != y->user) {
        return x->user < y->user ? -1 : 1;
    }
    return (x->type > y->type) - (x->type < y->type);
}

static err_code append_side(import_state *s, bool users, err *e)
{
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < s->edge_count; i++) {
        interaction record = import_edge_record(&s->edges[i]);
        store_write *w = NULL;
        code = import_group(s, SIDE_BYTES, &w, e);
        if (code == ERR_OK) {
            code = interaction_append(w, &record, users, e);
        }
        if (code == ERR_OK && i % TICK_EVERY == 0) {
            code = import_tick(s, "writing interactions", users ? i : s->edge_count + i,
                               2 * s->edge_count, e);
        }
    }
    return code;
}

static err_code sort_items(import_state *s, err *e)
{
    size_t *starts = mem_array((size_t)s->item_rows + 1, sizeof *starts);
    if (starts == NULL) {
        return err_nomem(e, "sorting the interactions");
    }
    err_code code = import_bucket(s, true, starts, e);
    for (size_t row = 0; code == ERR_OK && row < s->item_rows; row++) {
        size_t count = starts[row + 1] - starts[row];
        if (count > 1) {
            sort_array(s->edges + starts[row], count, sizeof *s->edges, by_user);
        }
    }
    mem_free(starts);
    return code;
}

err_code import_edges_append(import_state *s, err *e)
{
    for (size_t i = 0; i < s->edge_count; i++) {
        import_edge_count(s, &s->edges[i]);
    }
    err_code code = append_side(s, true, e);
    if (code == ERR_OK) {
        code = sort_items(s, e);
    }
    return code == ERR_OK ? append_side(s, false, e) : code;
}
