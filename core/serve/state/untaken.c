/* SPDX-License-Identifier: Apache-2.0 */
#include "core/serve/state/untaken.h"

#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/model/links_build.h"
#include "core/model/links_merge.h"
#include "core/serve/state/coldstart_maps.h"

typedef struct placing {
    model *m;
    const dataset *d;
    const coldstart *c;
    uint64_t *untaken; /* bitmap over items without a pair */
    uint32_t *rows;    /* (count) the untaken items, ascending */
    size_t count;
    size_t width;     /* total width of an item's features */
    cold_item **made; /* (count) their rows of E and links */
} placing;

static err_code find_rows(placing *p, const interaction_list *taken, err *e)
{
    size_t items = p->m->items;
    p->untaken = mem_array(items / 64 + 1, sizeof *p->untaken);
    p->rows = mem_array(items, sizeof *p->rows);
    if (p->untaken == NULL || p->rows == NULL) {
        return err_nomem(e, "the items that nobody has taken");
    }
    memset(p->untaken, 0xff, (items / 64 + 1) * sizeof *p->untaken);
    for (size_t i = 0; i < taken->count; i++) {
        bits_clear(p->untaken, taken->pairs[i].item);
    }
    for (uint32_t row = 0; row < items; row++) {
        if (bits_test(p->untaken, row) && !dataset_gone(p->d, row)) {
            p->rows[p->count++] = row;
        }
    }
    return ERR_OK;
}

/* read_item fills `f` with the features of an item and returns their number. */
static err_code read_item(const placing *p, uint32_t row, float *x, feature *f, size_t *count,
                          err *e)
{
    *count = 0;
    for (size_t m = 0; m < p->d->modality_count && m < MODALITIES_MAX; m++) {
        const feature_source *source = &p->d->modalities[m];
        err_code code = source->read(source->ctx, row, 1, x, e);
        if (code != ERR_OK) {
            return code;
        }
        if (!feature_row_missing(x, source->width)) {
            f[(*count)++] = (feature){.modality = slice_of(source->name),
                                      .dtype = FEATURE_F4,
                                      .width = (uint32_t)source->width,
                                      .data = x};
        }
        x += source->width;
    }
    return ERR_OK;
}

/* make_batch computes the rows and links of the items from place `first` on, as a service would. */
static err_code make_batch(placing *p, size_t first, err *e)
{
    size_t count = p->count - first < COLD_BATCH ? p->count - first : COLD_BATCH;
    float *x = mem_array(count * p->width, sizeof *x);
    feature *f = mem_array(count * MODALITIES_MAX, sizeof *f);
    cold_request requests[COLD_BATCH] = {{0}};
    err_code code = x != NULL && f != NULL
                        ? ERR_OK
                        : err_nomem(e, "the features of items without interactions");
#pragma omp critical(untaken_features) /* a source is read by one thread at a time */
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        cold_request *r = &requests[i];
        feature *own = f + i * MODALITIES_MAX;
        r->features = own;
        code = read_item(p, p->rows[first + i], x + i * p->width, own, &r->count, e);
    }
    if (code == ERR_OK) {
        code = coldstart_embed_many(requests, count, p->c, e);
    }
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        p->made[first + i] = requests[i].item;
    }
    mem_free(x);
    mem_free(f);
    return code;
}

static err_code make_items(placing *p, err *e)
{
    err_code failed = ERR_OK;
    p->made = mem_array(p->count, sizeof *p->made);
    if (p->made == NULL) {
        return err_nomem(e, "the items that nobody has taken");
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(p->m->options.threads)
    for (size_t first = 0; first < p->count; first += COLD_BATCH) {
        err own = ERR_INIT;
        if (make_batch(p, first, &own) != ERR_OK) {
#pragma omp critical(untaken_failed)
            failed = err_set(e, own.code, "%s", own.text);
        }
    }
    return failed;
}

static int strongest_first(const void *x, const void *y)
{
    const links_entry *a = x, *b = y;
    return a->weight != b->weight ? (a->weight < b->weight ? 1 : -1)
                                  : (a->target > b->target) - (a->target < b->target);
}

static int by_target(const void *x, const void *y)
{
    const links_entry *a = x, *b = y;
    return (a->target > b->target) - (a->target < b->target);
}

/* take_rows replaces the items' rows of E, and multiplies those of their links that are kept by the
 * lift. */
static void take_rows(placing *p, float lift)
{
    size_t dim = p->m->dim, most = UNTAKEN_LINKS_MAX / p->count;
    most = most > LINKS_KEPT_CONTENT ? most : LINKS_KEPT_CONTENT;
    for (size_t i = 0; i < p->count; i++) {
        cold_item *item = p->made[i];
        float *row = p->m->item_e + (size_t)p->rows[i] * dim;
        for (size_t j = 0; j < dim && item->used != 0; j++) {
            row[j] = lift * item->embedding[j];
        }
        later_list *links = item->links;
        if (links != NULL && links->count > most) {
            sort_array(links->entries, links->count, sizeof links->entries[0], strongest_first);
            links->count = (uint32_t)most;
            sort_array(links->entries, most, sizeof links->entries[0], by_target);
        }
        for (size_t n = 0; links != NULL && n < links->count; n++) {
            links->entries[n].weight *= lift;
        }
    }
}

static err_code take_links(placing *p, err *e)
{
    item_links *l = p->m->links;
    links_list *lists = mem_array(p->count, sizeof *lists);
    links_table made = {0};
    if (lists == NULL) {
        return err_nomem(e, "the links of items without interactions");
    }
    links_merging in = {.table = &l->source[LINKS_CONTENT],
                        .table_rows = l->items,
                        .rows = l->items,
                        .lists = lists};
    for (size_t i = 0; i < p->count; i++) {
        const cold_item *item = p->made[i];
        if (item->used != 0) {
            const later_list *links = item->links;
            lists[in.count++] = links != NULL
                                    ? (links_list){p->rows[i], links->entries, links->count}
                                    : (links_list){p->rows[i], NULL, 0};
        }
    }
    err_code code = links_merge(&made, &in, e);
    if (code == ERR_OK) {
        links_table_fini(&l->source[LINKS_CONTENT]);
        l->source[LINKS_CONTENT] = made;
    }
    mem_free(lists);
    return code;
}

static err_code place_rows(placing *p, err *e)
{
    const model *m = p->m;
    coldstart *c = NULL;
    coldstart_options options = {.sources = p->d->modalities,
                                 .source_count = p->d->modality_count,
                                 .threads = (unsigned)m->options.threads,
                                 .left_out = p->untaken};
    err_code code = coldstart_new(&c, m, &options, e);
    p->c = c;
    if (code == ERR_OK) {
        code = make_items(p, e);
    }
    if (code == ERR_OK) {
        bool linked = m->links != NULL && m->links->choice.beta[LINKS_CONTENT] > 0;
        take_rows(p, linked ? links_lift(&m->links->choice, coldstart_fitted(c)) : 1);
        code = linked ? take_links(p, e) : ERR_OK;
    }
    coldstart_free(c);
    return code;
}

err_code untaken_place(model *m, const dataset *d, const interaction_list *taken, size_t *placed,
                       err *e)
{
    placing p = {.m = m, .d = d};
    for (size_t n = 0; n < d->modality_count; n++) {
        p.width += d->modalities[n].width;
    }
    err_code code = ERR_OK;
    if (m->modality_count > 0 && p.width > 0) {
        code = find_rows(&p, taken, e);
    }
    if (code == ERR_OK && p.count > 0) {
        code = place_rows(&p, e);
    }
    for (size_t i = 0; p.made != NULL && i < p.count; i++) {
        cold_item_free(p.made[i]);
    }
    mem_free(p.made);
    mem_free(p.rows);
    mem_free(p.untaken);
    *placed = p.count;
    return code;
}
