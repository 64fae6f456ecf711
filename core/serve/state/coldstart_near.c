/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coldstart_near: finds the trained items that new items are similar to.
 *
 * An item's row of E is computed from its neighbours by each modality. Its content links are of the
 * same kind as those between trained items (core/model/links.h):
 *
 *     L(j, i) = sum_m weight_m max(0, cos_m(j, i))^2 + max(0, x_j' W x_i)
 *
 * where the generation's map W (core/model/content_map.h) adds the second term, if there is one.
 * One pass over the 8-bit codes of the features finds neighbours and links for a batch of new
 * items: a piece of the codes stays in the processor's cache while every item of the batch reads
 * it. The pass estimates the cosines, and the selected items are then measured by the features
 * themselves. So a link's weight is exact. The selection can miss an item only if it differs from
 * the last selected one by less than the codes' error.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/model/links_build.h"
#include "core/search/quantise.h"
#include "core/search/scan.h"
#include "core/search/shortlist.h"
#include "core/serve/state/coldstart_fit.h"

enum {
    PIECE_BYTES = 128 << 10, /* size of a piece of codes, over all modalities */
    PIECE_ROWS_MIN = 64,
    PIECE_ROWS_MAX = 2048,
    /* Rows, spread evenly, from which a pass first estimates the threshold of selection. */
    SAMPLE_ROWS = 1024,
    SAMPLED_ROWS_MIN = 4 * SAMPLE_ROWS,
    /* Candidates for the neighbours of one modality: more than wanted, because the codes may order
     * close ones wrongly. */
    NEAREST = 2 * COLD_NEIGHBOURS_MAX,
};

/* What a pass collects for one item. */
typedef struct seeking {
    codes_query query[MODALITIES_MAX];
    codes_query fitting[MODALITIES_MAX]; /* for W x_i */
    shortlist nearest[MODALITIES_MAX];
    shortlist links;
} seeking;

typedef struct pass {
    const coldstart *c;
    cold_seek *seeks[COLD_BATCH]; /* (count) the items that have features of this generation */
    seeking *of;                  /* (count) */
    size_t count;
    size_t piece;                  /* rows in a piece, a multiple of QUANTISE_BLOCK */
    float *cosine, *weight, *fits; /* (piece) */
    float *mapped;                 /* (count, the map's width) W x_i; NULL without a map */
    float *scores;
    uint32_t *rows;
    int8_t *codes;
} pass;

static bool has(const cold_seek *seek, size_t m)
{
    return (seek->units.known >> m & 1) != 0;
}

static size_t code_width(size_t width)
{
    return (width + QUANTISE_GROUP - 1) / QUANTISE_GROUP * QUANTISE_GROUP;
}

static size_t code_bytes(const coldstart *c)
{
    size_t bytes = 0;
    for (size_t m = 0; m < c->modalities; m++) {
        bytes += code_width(c->space[m].width);
    }
    return bytes;
}

/* list_room returns the number of elements in the shortlists of one item. */
static size_t list_room(const coldstart *c)
{
    return shortlist_room(COLD_LINKS_MAX) + c->modalities * shortlist_room(NEAREST);
}

static size_t piece_rows(const coldstart *c)
{
    size_t rows = PIECE_BYTES / (code_bytes(c) + 1) / PIECE_ROWS_MIN * PIECE_ROWS_MIN;
    rows = rows < PIECE_ROWS_MAX ? rows : PIECE_ROWS_MAX;
    return rows > PIECE_ROWS_MIN ? rows : PIECE_ROWS_MIN;
}

/* start_lists empties the shortlists of one item. */
static void start_lists(pass *p, size_t i)
{
    size_t modalities = p->c->modalities;
    float *scores = p->scores + i * list_room(p->c);
    uint32_t *rows = p->rows + i * list_room(p->c);
    shortlist_init(&p->of[i].links, COLD_LINKS_MAX, scores, rows);
    for (size_t m = 0; m < modalities; m++) {
        size_t at = shortlist_room(COLD_LINKS_MAX) + m * shortlist_room(NEAREST);
        shortlist_init(&p->of[i].nearest[m], NEAREST, scores + at, rows + at);
    }
}

static const float *mapped_part(const pass *p, size_t i)
{
    return p->mapped + i * p->c->fitting->width;
}

/* map_units fills p->mapped with W x_i for all new items at once. */
static err_code map_units(pass *p, err *e)
{
    const content_map *map = p->c->fitting;
    float *units = mem_table(p->count * map->width, sizeof *units);
    p->mapped = mem_table(p->count * map->width, sizeof *p->mapped);
    if (units == NULL || p->mapped == NULL) {
        mem_free(units);
        return err_nomem(e, "a search for like items");
    }
    for (size_t i = 0; i < p->count; i++) {
        for (size_t m = 0, at = 0; m < p->c->modalities; at += p->c->space[m].width, m++) {
            if (has(p->seeks[i], m)) {
                memcpy(units + i * map->width + at, p->seeks[i]->units.of[m],
                       p->c->space[m].width * sizeof *units);
            }
        }
    }
    for (size_t i = 0; i < p->count; i++) {
        scan_rows(map->w, map->width, map->width, units + i * map->width,
                  p->mapped + i * map->width);
    }
    mem_free(units);
    return ERR_OK;
}

static err_code pass_init(pass *p, err *e)
{
    const coldstart *c = p->c;
    size_t room = list_room(c), count = p->count;
    p->of = mem_array(count, sizeof *p->of);
    p->cosine = mem_table(3 * p->piece, sizeof *p->cosine);
    p->scores = mem_table(count * room, sizeof *p->scores);
    p->rows = mem_array(count * room, sizeof *p->rows);
    p->codes = mem_array(count, 2 * code_bytes(c));
    if (p->of == NULL || p->cosine == NULL || p->scores == NULL || p->rows == NULL ||
        p->codes == NULL) {
        return err_nomem(e, "a search for like items");
    }
    p->weight = p->cosine + p->piece;
    p->fits = p->weight + p->piece;
    if (c->fitting != NULL) {
        err_code rc = map_units(p, e);
        if (rc != ERR_OK) {
            return rc;
        }
    }
    for (size_t i = 0; i < count; i++) {
        int8_t *code = p->codes + 2 * i * code_bytes(c);
        start_lists(p, i);
        for (size_t m = 0, at = 0; m < c->modalities; at += c->space[m].width, m++) {
            size_t width = c->space[m].width, bytes = code_width(width);
            p->of[i].query[m].code = code;
            p->of[i].fitting[m].code = code + bytes;
            code += 2 * bytes;
            if (has(p->seeks[i], m)) {
                codes_query_make(&p->of[i].query[m], p->seeks[i]->units.of[m], width);
            }
            if (p->mapped != NULL) {
                codes_query_make(&p->of[i].fitting[m], mapped_part(p, i) + at, width);
            }
        }
    }
    return ERR_OK;
}

static void pass_fini(pass *p)
{
    mem_free(p->of);
    mem_free(p->cosine);
    mem_free(p->mapped);
    mem_free(p->scores);
    mem_free(p->rows);
    mem_free(p->codes);
}

KERNEL_CLONES static void add_alike(float *weight, const float *cosine, size_t count, float factor)
{
    for (size_t i = 0; i < count; i++) {
        weight[i] += links_alike(factor, cosine[i]);
    }
}

KERNEL_CLONES static void add_part(float *sum, const float *part, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum[i] += part[i];
    }
}

KERNEL_CLONES static void add_fitting(float *weight, const float *fits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weight[i] += fits[i] > 0 ? fits[i] : 0;
    }
}

/* read_fitting adds the map's term for the rows from `first` on to their weights. */
static void read_fitting(const pass *p, size_t i, size_t first, size_t rows, float *weight)
{
    const coldstart *c = p->c;
    memset(p->fits, 0, rows * sizeof *p->fits);
    for (size_t m = 0; m < c->modalities && p->mapped != NULL; m++) {
        index_estimate(c->space[m].rows, &p->of[i].fitting[m], first, rows, p->cosine);
        add_part(p->fits, p->cosine, rows);
    }
    add_fitting(weight, p->fits, rows);
}

/* read_piece offers the trained items from row `first` on to all shortlists of item `i`. */
static void read_piece(pass *p, size_t i, size_t first, size_t rows)
{
    const coldstart *c = p->c;
    seeking *s = &p->of[i];
    memset(p->weight, 0, rows * sizeof *p->weight);
    for (size_t m = 0; m < c->modalities; m++) {
        if (has(p->seeks[i], m)) {
            index_estimate(c->space[m].rows, &s->query[m], first, rows, p->cosine);
            add_alike(p->weight, p->cosine, rows, c->weight[m]);
            shortlist_offer(&s->nearest[m], (uint32_t)first, p->cosine, rows);
        }
    }
    read_fitting(p, i, first, rows, p->weight);
    shortlist_offer(&s->links, (uint32_t)first, p->weight, rows);
}

/* guess_floors estimates the thresholds from a sample of the rows. */
static void guess_floors(pass *p, size_t i)
{
    const coldstart *c = p->c;
    seeking *s = &p->of[i];
    float cosine[SAMPLE_ROWS], weight[SAMPLE_ROWS] = {0};
    size_t step = c->items / SAMPLE_ROWS * QUANTISE_BLOCK;
    if (c->items < SAMPLED_ROWS_MIN) {
        return;
    }
    for (size_t m = 0; m < c->modalities; m++) {
        if (!has(p->seeks[i], m)) {
            continue;
        }
        for (size_t b = 0; b < SAMPLE_ROWS / QUANTISE_BLOCK; b++) {
            index_estimate(c->space[m].rows, &s->query[m], b * step, QUANTISE_BLOCK,
                           cosine + b * QUANTISE_BLOCK);
        }
        add_alike(weight, cosine, SAMPLE_ROWS, c->weight[m]);
        shortlist_guess(&s->nearest[m], cosine, SAMPLE_ROWS, c->items);
    }
    for (size_t b = 0; b < SAMPLE_ROWS / QUANTISE_BLOCK; b++) {
        read_fitting(p, i, b * step, QUANTISE_BLOCK, weight + b * QUANTISE_BLOCK);
    }
    shortlist_guess(&s->links, weight, SAMPLE_ROWS, c->items);
}

static bool failed(const pass *p, size_t i)
{
    bool any = shortlist_failed(&p->of[i].links);
    for (size_t m = 0; m < p->c->modalities; m++) {
        any = any || shortlist_failed(&p->of[i].nearest[m]);
    }
    return any;
}

/* read_all fills the shortlists of items [from, end) from all trained items. */
static void read_all(pass *p, size_t from, size_t end)
{
    for (size_t first = 0; first < p->c->items; first += p->piece) {
        size_t left = p->c->items - first;
        for (size_t i = from; i < end; i++) {
            read_piece(p, i, first, left < p->piece ? left : p->piece);
        }
    }
}

/* select_rows fills the shortlists of all items of the batch. */
static void select_rows(pass *p)
{
    for (size_t i = 0; i < p->count; i++) {
        guess_floors(p, i);
    }
    read_all(p, 0, p->count);
    for (size_t i = 0; i < p->count; i++) {
        if (failed(p, i)) {
            start_lists(p, i);
            read_all(p, i, i + 1);
        }
    }
}

static int nearest_first(const void *x, const void *y)
{
    const cold_neighbour *a = x, *b = y;
    return a->similarity != b->similarity ? (a->similarity < b->similarity ? 1 : -1)
                                          : (a->item > b->item) - (a->item < b->item);
}

/* take_neighbours measures the nearest candidates by one modality and keeps the wanted ones, as far
 * as there is room for all modalities. */
static void take_neighbours(pass *p, size_t i, size_t m)
{
    const coldstart *c = p->c;
    cold_item *item = p->seeks[i]->item;
    shortlist *s = &p->of[i].nearest[m];
    size_t wanted = (size_t)c->m->modalities[m].neighbours * c->tuning.neighbours;
    size_t room = COLD_NEIGHBOURS_MAX / c->modalities, count = shortlist_finish(s), kept = 0;
    cold_neighbour near[NEAREST];
    if (c->modalities == 1 || wanted + item->neighbour_count <= COLD_NEIGHBOURS_MAX) {
        room = COLD_NEIGHBOURS_MAX - item->neighbour_count;
    }
    wanted = wanted < room ? wanted : room;
    scan_list(index_data(c->space[m].rows), s->rows, count, p->seeks[i]->units.of[m],
              c->space[m].width, s->scores);
    for (size_t n = 0; n < count; n++) {
        if (s->scores[n] > 0) {
            near[kept++] = (cold_neighbour){s->rows[n], (uint32_t)m, fminf(s->scores[n], 1)};
        }
    }
    sort_array(near, kept, sizeof *near, nearest_first);
    for (size_t n = 0; n < kept && n < wanted; n++) {
        item->neighbours[item->neighbour_count++] = near[n];
    }
}

static err_code take_links(pass *p, size_t i, err *e)
{
    const coldstart *c = p->c;
    cold_item *item = p->seeks[i]->item;
    shortlist *s = &p->of[i].links;
    size_t count = shortlist_finish(s);
    float cosine[COLD_LINKS_MAX], fits[COLD_LINKS_MAX] = {0};
    item->links = mem_array(count, sizeof *item->links);
    if (item->links == NULL) {
        return err_nomem(e, "the links of a new item");
    }
    memset(s->scores, 0, count * sizeof *s->scores);
    for (size_t m = 0; m < c->modalities; m++) {
        if (has(p->seeks[i], m) && c->weight[m] > 0) {
            scan_list(index_data(c->space[m].rows), s->rows, count, p->seeks[i]->units.of[m],
                      c->space[m].width, cosine);
            add_alike(s->scores, cosine, count, c->weight[m]);
        }
    }
    for (size_t m = 0, at = 0; m < c->modalities && p->mapped != NULL; m++) {
        scan_list(index_data(c->space[m].rows), s->rows, count, mapped_part(p, i) + at,
                  c->space[m].width, cosine);
        add_part(fits, cosine, count);
        at += c->space[m].width;
    }
    add_fitting(s->scores, fits, count);
    for (size_t n = 0; n < count; n++) {
        if (s->scores[n] > 0) {
            item->links[item->link_count++] = (links_entry){s->rows[n], s->scores[n]};
        }
    }
    return ERR_OK;
}

err_code coldstart_near(cold_seek *seeks, size_t count, const coldstart *c, err *e)
{
    pass p = {.c = c, .piece = piece_rows(c)};
    for (size_t i = 0; i < count; i++) {
        if (seeks[i].units.known != 0) {
            p.seeks[p.count++] = &seeks[i];
        }
    }
    if (p.count == 0) {
        return ERR_OK;
    }
    err_code rc = pass_init(&p, e);
    if (rc == ERR_OK) {
        select_rows(&p);
    }
    for (size_t i = 0; rc == ERR_OK && i < p.count; i++) {
        for (size_t m = 0; m < c->modalities; m++) {
            take_neighbours(&p, i, m);
        }
        rc = take_links(&p, i, e);
    }
    pass_fini(&p);
    return rc;
}
