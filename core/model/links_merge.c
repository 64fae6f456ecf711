/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/links_merge.h"

#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/sort.h"

typedef struct merger {
    const links_merging *in;
    uint64_t *listed;     /* bitmap over rows: the row has a list */
    size_t *start;        /* (rows + 1) into entries */
    links_entry *entries; /* the lists' links of each row, ascending by target */
    links_entry *row;     /* (LINKS_ROW_MAX) the row being merged */
} merger;

/* each_link calls `found` for both directions of every link in the lists. */
typedef void (*link_found)(merger *m, uint32_t owned, links_entry entry);

static void each_link(merger *m, link_found found)
{
    size_t rows = m->in->rows;
    for (size_t n = 0; n < m->in->count; n++) {
        const links_list *list = &m->in->lists[n];
        for (size_t i = 0; i < list->count && list->item < rows; i++) {
            links_entry entry = list->entries[i];
            if (entry.target < rows && entry.target != list->item) {
                found(m, entry.target, (links_entry){list->item, entry.weight});
                found(m, list->item, entry);
            }
        }
    }
}

static void count_link(merger *m, uint32_t owned, links_entry entry)
{
    (void)entry;
    m->start[owned + 1]++;
}

static void fill_link(merger *m, uint32_t owned, links_entry entry)
{
    m->entries[m->start[owned]++] = entry;
}

static int by_target(const void *x, const void *y)
{
    const links_entry *a = x, *b = y;
    return a->target != b->target ? (a->target > b->target) - (a->target < b->target)
                                  : (a->weight < b->weight) - (a->weight > b->weight);
}

static err_code gather(merger *m, err *e)
{
    size_t rows = m->in->rows;
    m->listed = mem_array(rows / 64 + 1, sizeof *m->listed);
    m->start = mem_array(rows + 1, sizeof *m->start);
    m->row = mem_array(LINKS_ROW_MAX, sizeof *m->row);
    if (m->listed == NULL || m->start == NULL || m->row == NULL) {
        return err_nomem(e, "the links of new items");
    }
    for (size_t n = 0; n < m->in->count; n++) {
        if (m->in->lists[n].item < rows) {
            bits_set(m->listed, m->in->lists[n].item);
        }
    }
    each_link(m, count_link);
    for (size_t i = 0; i < rows; i++) {
        m->start[i + 1] += m->start[i];
    }
    m->entries = mem_array(m->start[rows], sizeof *m->entries);
    if (m->entries == NULL) {
        return err_nomem(e, "the links of new items");
    }
    each_link(m, fill_link);
    /* filling has advanced every start, so shift them back */
    memmove(m->start + 1, m->start, rows * sizeof *m->start);
    m->start[0] = 0;
    for (size_t i = 0; i < rows; i++) {
        sort_array(m->entries + m->start[i], m->start[i + 1] - m->start[i], sizeof *m->entries,
                   by_target);
    }
    return ERR_OK;
}

/* kept returns the next place at or after `at` whose link no list replaces. */
static uint64_t kept(const merger *m, uint64_t at, uint64_t end)
{
    while (at < end && bits_test(m->listed, m->in->table->target[at])) {
        at++;
    }
    return at;
}

/* merge_row writes m->row and returns its number of links. */
static size_t merge_row(merger *m, size_t row)
{
    const links_table *t = m->in->table;
    bool has = row < m->in->table_rows && !bits_test(m->listed, row);
    uint64_t old = has ? t->start[row] : 0, old_end = has ? t->start[row + 1] : 0;
    size_t new = m->start[row], new_end = m->start[row + 1], count = 0;
    while (count < LINKS_ROW_MAX) {
        old = kept(m, old, old_end);
        if (old == old_end && new == new_end) {
            break;
        }
        bool first = new == new_end || (old < old_end && t->target[old] < m->entries[new].target);
        links_entry entry = first
                                ? (links_entry){t->target[old], t->unit[row] * (float)t->level[old]}
                                : m->entries[new];
        old += first;
        new += !first;
        if (count == 0 || m->row[count - 1].target != entry.target) {
            m->row[count++] = entry;
        }
    }
    return count;
}

err_code links_merge(links_table *out, const links_merging *in, err *e)
{
    merger m = {.in = in};
    err_code code = gather(&m, e);
    if (code == ERR_OK) {
        size_t most = (size_t)in->table->start[in->table_rows] + m.start[in->rows];
        code = links_table_alloc(out, in->rows, most, e);
    }
    for (size_t row = 0; code == ERR_OK && row < in->rows; row++) {
        size_t count = merge_row(&m, row);
        links_table_put(out, row, m.row, count);
    }
    mem_free(m.listed);
    mem_free(m.start);
    mem_free(m.entries);
    mem_free(m.row);
    return code;
}
