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
    PIECE_ROWS = 512, /* the most rows that are read at once; also the size of the sample */
    /* Items whose products with a piece are computed together, so that the estimates stay in the
     * first-level cache. */
    TOGETHER = 4,
    MAP_ROWS = 8, /* rows of the map that are multiplied together, for the same reason */
    /* Rows, spread evenly, from which a pass first estimates the threshold of selection. */
    SAMPLE_ROWS = PIECE_ROWS,
    SAMPLED_ROWS_MIN = 4 * SAMPLE_ROWS,
    /* Candidates for the neighbours of one modality: more than wanted, because the codes may order
     * close ones wrongly. */
    NEAREST = 2 * COLD_NEIGHBOURS_MAX,
};

/* What a pass collects for one item. */
typedef struct seeking {
    codes_query query[MODALITIES_MAX];
    codes_query fitting[MODALITIES_MAX]; /* the queries for the map's prediction, W x_i */
    shortlist nearest[MODALITIES_MAX];
    shortlist links;
} seeking;

typedef struct pass {
    const coldstart *c;
    cold_seek *seeks[COLD_BATCH]; /* (count) the items that have features in this generation */
    seeking *of;                  /* (count) */
    size_t count;
    size_t piece; /* rows in a piece, a multiple of QUANTISE_BLOCK */
    /* (2 TOGETHER, PIECE_ROWS) estimates by one modality: cosines, then predictions */
    float *estimates;
    float *weight, *fits; /* (TOGETHER, PIECE_ROWS) sums over the modalities */
    float *mapped;        /* (count, the map's width) W x_i; NULL without a map */
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
    rows = rows < PIECE_ROWS ? rows : PIECE_ROWS;
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
    for (size_t row = 0; row < map->width; row += MAP_ROWS) {
        size_t rows = map->width - row < MAP_ROWS ? map->width - row : MAP_ROWS;
        for (size_t i = 0; i < p->count; i++) {
            scan_rows(map->w + row * map->width, rows, map->width, units + i * map->width,
                      p->mapped + i * map->width + row);
        }
    }
    mem_free(units);
    return ERR_OK;
}

static err_code pass_init(pass *p, err *e)
{
    const coldstart *c = p->c;
    size_t room = list_room(c), count = p->count;
    p->of = mem_array(count, sizeof *p->of);
    p->estimates = mem_grow(NULL, 4 * TOGETHER * PIECE_ROWS, sizeof *p->estimates);
    p->scores = mem_grow(NULL, count * room, sizeof *p->scores);
    p->rows = mem_grow(NULL, count * room, sizeof *p->rows);
    p->codes = mem_grow(NULL, count, 2 * code_bytes(c));
    if (p->of == NULL || p->estimates == NULL || p->scores == NULL || p->rows == NULL ||
        p->codes == NULL) {
        return err_nomem(e, "a search for like items");
    }
    p->weight = p->estimates + 2 * TOGETHER * PIECE_ROWS;
    p->fits = p->weight + TOGETHER * PIECE_ROWS;
    if (c->fitting != NULL) {
        err_code code = map_units(p, e);
        if (code != ERR_OK) {
            return code;
        }
    }
    for (size_t i = 0; i < count; i++) {
        int8_t *to = p->codes + 2 * i * code_bytes(c);
        start_lists(p, i);
        for (size_t m = 0, at = 0; m < c->modalities; at += c->space[m].width, m++) {
            size_t width = c->space[m].width, bytes = code_width(width);
            p->of[i].query[m].code = to;
            p->of[i].fitting[m].code = to + bytes;
            to += 2 * bytes;
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
    mem_free(p->estimates);
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

/* Items [from, end) of the batch, at most TOGETHER. */
typedef struct some_items {
    size_t from, end;
} some_items;

/* The trained items that are read at once: a sample, or the next ones. */
typedef struct reading {
    codes_part part;
    size_t rows; /* not counting the empty places at the end */
    bool sample;
} reading;

/* estimate writes to p->estimates a row of cosines for each item that has the modality and then, if
 * there is a map, a row with each item's share of the map's prediction. Each row is as long as the
 * part. */
static void estimate(const pass *p, some_items some, size_t m, codes_part part)
{
    const codes_query *queries[2 * TOGETHER] = {0};
    size_t count = 0;
    for (size_t i = some.from; i < some.end; i++) {
        if (has(p->seeks[i], m)) {
            queries[count++] = &p->of[i].query[m];
        }
    }
    for (size_t i = some.from; i < some.end && p->mapped != NULL; i++) {
        queries[count++] = &p->of[i].fitting[m];
    }
    index_estimate(p->c->space[m].rows, queries, count, part, p->estimates);
}

static void take(const pass *p, shortlist *s, const float *scores, const reading *r)
{
    if (r->sample) {
        shortlist_guess(s, scores, r->rows, p->c->items);
    } else {
        shortlist_offer(s, (uint32_t)(r->part.first * QUANTISE_BLOCK), scores, r->rows);
    }
}

/* read_modality adds a modality's contribution to p->weight and p->fits. */
static void read_modality(const pass *p, some_items some, size_t m, const reading *r)
{
    const float *row = p->estimates;
    size_t length = r->part.blocks * QUANTISE_BLOCK;
    estimate(p, some, m, r->part);
    for (size_t i = some.from; i < some.end; i++) {
        if (has(p->seeks[i], m)) {
            add_alike(p->weight + (i - some.from) * length, row, r->rows, p->c->weight[m]);
            take(p, &p->of[i].nearest[m], row, r);
            row += length;
        }
    }
    for (size_t i = some.from; i < some.end && p->mapped != NULL; i++) {
        add_part(p->fits + (i - some.from) * length, row, r->rows);
        row += length;
    }
}

/* read_part passes the cosines and weights of some trained items to every collector of the new
 * items. */
static void read_part(const pass *p, some_items some, const reading *r)
{
    size_t length = r->part.blocks * QUANTISE_BLOCK, count = some.end - some.from;
    memset(p->weight, 0, count * length * sizeof *p->weight);
    memset(p->fits, 0, count * length * sizeof *p->fits);
    for (size_t m = 0; m < p->c->modalities; m++) {
        read_modality(p, some, m, r);
    }
    for (size_t i = 0; i < count; i++) {
        if (p->mapped != NULL) {
            add_fitting(p->weight + i * length, p->fits + i * length, r->rows);
        }
        take(p, &p->of[some.from + i].links, p->weight + i * length, r);
    }
}

/* read_for reads a part for items [from, end) of the batch. */
static void read_for(const pass *p, some_items all, const reading *r)
{
    for (some_items some = {.from = all.from}; some.from < all.end; some.from = some.end) {
        some.end = some.from + TOGETHER < all.end ? some.from + TOGETHER : all.end;
        read_part(p, some, r);
    }
}

static bool failed(const pass *p, size_t i)
{
    bool any = shortlist_failed(&p->of[i].links);
    for (size_t m = 0; m < p->c->modalities; m++) {
        any = any || shortlist_failed(&p->of[i].nearest[m]);
    }
    return any;
}

/* read_all fills the shortlists of some items from all trained items. */
static void read_all(const pass *p, some_items all)
{
    for (size_t first = 0; first < p->c->items; first += p->piece) {
        size_t left = p->c->items - first, rows = left < p->piece ? left : p->piece;
        size_t blocks = (rows + QUANTISE_BLOCK - 1) / QUANTISE_BLOCK;
        read_for(p, all, &(reading){{first / QUANTISE_BLOCK, blocks, 1}, rows, false});
    }
}

/* select_rows fills the shortlists of all items of the batch. */
static void select_rows(pass *p)
{
    some_items all = {0, p->count};
    if (p->c->items >= SAMPLED_ROWS_MIN) {
        size_t step = p->c->items / SAMPLE_ROWS;
        read_for(p, all, &(reading){{0, SAMPLE_ROWS / QUANTISE_BLOCK, step}, SAMPLE_ROWS, true});
    }
    read_all(p, all);
    for (size_t i = 0; i < p->count; i++) {
        if (failed(p, i)) {
            start_lists(p, i);
            read_all(p, (some_items){i, i + 1});
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
    item->links = later_list_alloc(count);
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
            item->links->entries[item->links->count++] = (links_entry){s->rows[n], s->scores[n]};
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
    err_code code = pass_init(&p, e);
    if (code == ERR_OK) {
        select_rows(&p);
    }
    for (size_t i = 0; code == ERR_OK && i < p.count; i++) {
        for (size_t m = 0; m < c->modalities; m++) {
            take_neighbours(&p, i, m);
        }
        code = take_links(&p, i, e);
    }
    pass_fini(&p);
    return code;
}
