/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links_sum: sums the links of a history, by item.
 *
 * The sums are one dense table, which the links of a history update at random places. Later steps
 * read only the touched items: links_sum_list copies their sums side by side once, so that the
 * other loops run over plain arrays.
 *
 * The compiler must not reorder or fuse these additions, because it could choose differently for
 * each copy of a loop.
 */
#include "core/common/in_order.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/common/kernel.h"
#include "core/common/mem.h"
#include "core/model/links.h"

/* Rows of links that are read before the first of them is added. Rows lie far apart, so each read
 * waits for memory, and these waits overlap. Prefetching the rows instead takes longer
 * (docs/measurements/links.md). */
enum { ROWS_READ = 32 };

/* The two sums of an item, loaded and stored as one. */
typedef float both __attribute__((vector_size(8), may_alias));

/* A smaller weight is raised to this, so that an item with links never looks untouched. */
#define UNIT_MIN 1e-30F

err_code links_sum_fit(links_sum *s, size_t items, err *e)
{
    if (items <= s->room) {
        return ERR_OK;
    }
    size_t room = items + items / 8;
    float *part = mem_table(room * LINKS_SOURCES, sizeof *part);
    uint32_t *touched = mem_array(room + 1, sizeof *touched);
    float *listed = mem_array(room * LINKS_SOURCES, sizeof *listed);
    if (part == NULL || touched == NULL || listed == NULL) {
        mem_free(part);
        mem_free(touched);
        mem_free(listed);
        return err_nomem(e, "sums of links");
    }
    assert(s->count == 0);
    links_sum_fini(s);
    *s = (links_sum){.room = room, .part = part, .touched = touched};
    s->listed[LINKS_COLLABORATIVE] = listed;
    s->listed[LINKS_CONTENT] = listed + room;
    return ERR_OK;
}

void links_sum_fini(links_sum *s)
{
    mem_free(s->part);
    mem_free(s->touched);
    mem_free(s->listed[LINKS_COLLABORATIVE]);
    *s = (links_sum){0};
}

void links_sum_clear(links_sum *s)
{
    both *part = (both *)s->part;
    const uint32_t *touched = s->touched;
    const size_t count = s->count;
#pragma GCC unroll 8
    for (size_t k = 0; k < count; k++) {
        part[touched[k]] = (both){0, 0};
    }
    s->count = 0;
}

/* One row of links that a history adds, each with the factor `unit`. */
typedef struct links_row {
    const uint32_t *target; /* (count) */
    const uint16_t *level;  /* (count) */
    size_t count;
    float unit;
} links_row;

/* plan_rows lists the rows of one source that a history adds. It reads all starts before any link,
 * because each read waits for memory and these waits overlap. */
static size_t plan_rows(const item_links *l, links_source x, const links_owned *owned, size_t count,
                        links_row *rows)
{
    const links_table *t = &l->source[x];
    size_t planned = 0;
    for (size_t k = 0; k < count && l->choice.beta[x] > 0; k++) {
        uint32_t row = owned[k].item;
        if (row < l->items && owned[k].pull[x] > 0) {
            uint64_t start = t->start[row];
            rows[planned++] = (links_row){.target = t->target + start,
                                          .level = t->level + start,
                                          .count = t->start[row + 1] - start,
                                          .unit = owned[k].pull[x] * t->unit[row]};
        }
    }
    return planned;
}

/* read_row reads one number from each cache line of a row. The reads are volatile, so the compiler
 * keeps them although nothing uses their values. */
static void read_row(const links_row *row)
{
    enum { LINE = 64 };
    const volatile uint32_t *target = row->target;
    const volatile uint16_t *level = row->level;
    for (size_t at = 0; at < row->count; at += LINE / sizeof *target) {
        (void)target[at];
    }
    for (size_t at = 0; at < row->count; at += LINE / sizeof *level) {
        (void)level[at];
    }
    if (row->count > 0) {
        (void)target[row->count - 1];
        (void)level[row->count - 1];
    }
}

/* add_row has no branch in its loop, because it could not be predicted: each link writes its item
 * to the list of touched items, and the list grows only if the item was untouched. `x` is a
 * constant. */
KERNEL_INLINE void add_row(links_sum *s, links_source x, const links_row *row)
{
    const uint32_t *target = row->target;
    const uint16_t *level = row->level;
    const float unit = row->unit > UNIT_MIN ? row->unit : UNIT_MIN;
    float *source = s->part + x;
    uint32_t *touched = s->touched;
    size_t count = s->count;
#pragma GCC unroll 4
    for (size_t at = 0; at < row->count; at++) {
        uint32_t item = target[at];
        touched[count] = item;
        uint64_t both_sums;
        memcpy(&both_sums, s->part + (size_t)item * LINKS_SOURCES, sizeof both_sums);
        count += both_sums == 0;
        source[(size_t)item * LINKS_SOURCES] += unit * (float)level[at];
    }
    s->count = count;
}

void links_sum_add(links_sum *s, const item_links *l, const links_owned *owned, size_t count)
{
    assert(s->room >= l->items && count <= LINKS_HISTORY_MAX);
    links_row rows[LINKS_SOURCES * LINKS_HISTORY_MAX];
    /* index in `rows` of the first row of content links */
    size_t content = plan_rows(l, LINKS_COLLABORATIVE, owned, count, rows);
    size_t planned = content + plan_rows(l, LINKS_CONTENT, owned, count, rows + content);
    for (size_t k = 0; k < planned; k++) {
        for (size_t i = k; k % ROWS_READ == 0 && i < planned && i < k + ROWS_READ; i++) {
            read_row(&rows[i]);
        }
        if (k < content) {
            add_row(s, LINKS_COLLABORATIVE, &rows[k]);
        } else {
            add_row(s, LINKS_CONTENT, &rows[k]);
        }
    }
}

void links_sum_list(links_sum *s)
{
    const both *part = (const both *)s->part;
    const uint32_t *touched = s->touched;
    const size_t count = s->count;
    float *collaborative = s->listed[LINKS_COLLABORATIVE], *content = s->listed[LINKS_CONTENT];
#pragma GCC unroll 4
    for (size_t k = 0; k < count; k++) {
        both one = part[touched[k]];
        collaborative[k] = one[LINKS_COLLABORATIVE];
        content[k] = one[LINKS_CONTENT];
    }
}

/* add_moments adds up numbers and their squares in eight lanes, and then the lanes in order. */
KERNEL_CLONES
static void add_moments(const float *x, size_t count, double *sum, double *squares)
{
    enum { LANES = 8 };
    double first[LANES] = {0}, second[LANES] = {0};
    size_t k = 0;
    for (; k + LANES <= count; k += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            double value = (double)x[k + j];
            first[j] += value;
            second[j] += value * value;
        }
    }
    for (size_t j = 0; k + j < count; j++) {
        double value = (double)x[k + j];
        first[j] += value;
        second[j] += value * value;
    }
    *sum = *squares = 0;
    for (size_t j = 0; j < LANES; j++) {
        *sum += first[j];
        *squares += second[j];
    }
}

void links_factors(float factor[LINKS_SOURCES], const links_choice *c, links_sum *s, size_t items,
                   float spread_h)
{
    links_sum_list(s);
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        double sum = 0, squares = 0;
        if (c->beta[x] > 0) {
            add_moments(s->listed[x], s->count, &sum, &squares);
        }
        double mean = items > 0 ? sum / (double)items : 0;
        double spread = items > 0 ? squares / (double)items - mean * mean : 0;
        double value = spread > 0 ? (double)c->beta[x] * (double)spread_h / sqrt(spread) : 0;
        factor[x] = isfinite(value) && value < 1e30 ? (float)value : 0;
    }
}
