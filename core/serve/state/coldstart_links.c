/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coldstart_links: the content links of an item that came after the training.
 *
 * They are of the same kind as those between trained items (core/model/links.h):
 *
 *     L(j, i) = sum_m weight_m max(0, cos_m(j, i))^2
 *
 * Candidates are the nearest trained items by each modality; the strongest of all are kept, each
 * with the similarity by every modality that both have.
 */
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/model/links_build.h"
#include "core/search/scan.h"
#include "core/serve/state/coldstart_fit.h"

static int by_target(const void *x, const void *y)
{
    const links_entry *a = x, *b = y;
    return (a->target > b->target) - (a->target < b->target);
}

static int strongest_first(const void *x, const void *y)
{
    const links_entry *a = x, *b = y;
    return a->weight != b->weight ? (a->weight < b->weight ? 1 : -1) : by_target(x, y);
}

static float weight_of(const coldstart *c, const cold_units *units, uint32_t row)
{
    float sum = 0;
    for (size_t m = 0; m < c->modalities; m++) {
        const cold_space *space = &c->space[m];
        if ((units->known >> m & 1) != 0) {
            const float *x = index_data(space->rows) + (size_t)row * space->width;
            sum += links_alike(c->weight[m], scan_dot(units->of[m], x, space->width));
        }
    }
    return sum;
}

/* gather collects the nearest items of every modality and returns how many there are, each once. */
static err_code gather(const coldstart *c, const cold_units *units, index_scratch *scratch,
                       links_entry *entries, size_t *count, err *e)
{
    err_code rc = ERR_OK;
    *count = 0;
    for (size_t m = 0; m < c->modalities && rc == ERR_OK; m++) {
        index_query query = {.q = units->of[m], .k = COLD_LINKS_MAX, .exact = true};
        index_result found = {NULL, 0, true};
        if ((units->known >> m & 1) == 0 || !(c->weight[m] > 0)) {
            continue;
        }
        rc = index_search(c->space[m].rows, &query, scratch, &found, e);
        for (size_t i = 0; rc == ERR_OK && i < found.count && found.hits[i].score > 0; i++) {
            entries[(*count)++] = (links_entry){found.hits[i].row, 0};
        }
    }
    sort_array(entries, *count, sizeof *entries, by_target);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (kept == 0 || entries[kept - 1].target != entries[i].target) {
            entries[kept++] = entries[i];
        }
    }
    *count = kept;
    return rc;
}

err_code coldstart_link(cold_item *item, const coldstart *c, const cold_units *units,
                        index_scratch *scratch, err *e)
{
    size_t count = 0, kept = 0;
    links_entry *entries = mem_array(c->modalities * COLD_LINKS_MAX, sizeof *entries);
    if (entries == NULL) {
        return err_nomem(e, "the links of a new item");
    }
    err_code rc = gather(c, units, scratch, entries, &count, e);
    for (size_t i = 0; rc == ERR_OK && i < count; i++) {
        links_entry in = {entries[i].target, weight_of(c, units, entries[i].target)};
        if (in.weight > 0) {
            entries[kept++] = in;
        }
    }
    sort_array(entries, kept, sizeof *entries, strongest_first);
    kept = kept < COLD_LINKS_MAX ? kept : COLD_LINKS_MAX;
    sort_array(entries, kept, sizeof *entries, by_target);
    item->links = entries;
    item->link_count = kept;
    return rc;
}
