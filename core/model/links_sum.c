/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links_sum: sums the links of a history, by item.
 *
 * The sums are one dense table for each source, which the links of a history update at random
 * places. Each link also marks the block of its item, and all later steps process the marked blocks
 * with vectors. A list of single items would be shorter, but every step would then read and write
 * memory at random places.
 *
 * The sums of a source are cleared, added up and measured before those of the next one, because the
 * first-level cache has room for those of one source of a small catalogue.
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

/* A smaller weight is raised to this, so that an item with links never looks as if it had none. */
#define UNIT_MIN 1e-30F

/* If the bound of a source's sums is between these, their squares are in the range of floats. */
#define UNSCALED_MIN 1e-12F
#define UNSCALED_MAX 1e15F

enum {
    BLOCK_VECTORS = LINKS_BLOCK / KERNEL_LANES,
    /* so many floats are added up in a lane before their sum is added to one in double precision */
    FLOATS_IN_LANE = 64,
    /* with more than one marked block in so many, all are cleared, which takes less time */
    MOST_BLOCKS = 2,
};

typedef double wide __attribute__((vector_size(KERNEL_LANES * sizeof(double))));

err_code links_sum_fit(links_sum *s, size_t items, err *e)
{
    if (items <= s->room) {
        return ERR_OK;
    }
    size_t blocks = (items + items / 8) / LINKS_BLOCK + 1, room = blocks * LINKS_BLOCK;
    float *part = mem_table(room * LINKS_SOURCES, sizeof *part);
    uint8_t *marked = mem_array(blocks * LINKS_SOURCES, sizeof *marked);
    uint32_t *block = mem_array(blocks + 1, sizeof *block);
    if (part == NULL || marked == NULL || block == NULL) {
        mem_free(part);
        mem_free(marked);
        mem_free(block);
        return err_nomem(e, "sums of links");
    }
    links_sum_fini(s);
    *s = (links_sum){.room = room, .block = block};
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        s->part[x] = part + x * room;
        s->marked[x] = marked + x * blocks;
    }
    return ERR_OK;
}

void links_sum_fini(links_sum *s)
{
    mem_free(s->part[LINKS_COLLABORATIVE]);
    mem_free(s->marked[LINKS_COLLABORATIVE]);
    mem_free(s->block);
    *s = (links_sum){0};
}

/* list_marked writes the marked blocks of a source to s->block, and returns how many there are. */
static size_t list_marked(const links_sum *s, links_source x)
{
    const size_t all = s->room / LINKS_BLOCK;
    const uint8_t *restrict marked = s->marked[x];
    uint32_t *restrict block = s->block;
    size_t count = 0;
    /* No branch, because it could not be predicted. */
#pragma GCC unroll 8
    for (size_t b = 0; b < all; b++) {
        block[count] = (uint32_t)b;
        count += marked[b];
    }
    return count;
}

KERNEL_CLONES
static void clear_source(links_sum *s, links_source x)
{
    const size_t all = s->room / LINKS_BLOCK;
    size_t count = s->most[x] > 0 ? list_marked(s, x) : 0;
    if (count > all / MOST_BLOCKS) {
        memset(s->part[x], 0, s->room * sizeof *s->part[x]);
        memset(s->marked[x], 0, all);
        count = 0;
    }
    for (size_t k = 0; k < count; k++) {
        kernel_vec *at = (kernel_vec *)(s->part[x] + (size_t)s->block[k] * LINKS_BLOCK);
        for (size_t v = 0; v < BLOCK_VECTORS; v++) {
            at[v] = (kernel_vec){0};
        }
        s->marked[x][s->block[k]] = 0;
    }
    s->most[x] = 0;
    s->moments[x] = (links_moments){0};
}

void links_sum_clear(links_sum *s)
{
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        clear_source(s, (links_source)x);
    }
}

size_t links_sum_rows(const links_sum *s, uint32_t *rows)
{
    size_t count = 0;
    for (uint32_t b = 0; b < s->room / LINKS_BLOCK; b++) {
        if (links_sum_blank(s, b)) {
            continue;
        }
        for (uint32_t i = b * LINKS_BLOCK; i < (b + 1) * LINKS_BLOCK; i++) {
            rows[count] = i;
            count += links_sum_linked(s, i);
        }
    }
    return count;
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
            float unit = owned[k].pull[x] * t->unit[row];
            rows[planned++] = (links_row){.target = t->target + start,
                                          .level = t->level + start,
                                          .count = t->start[row + 1] - start,
                                          .unit = unit > UNIT_MIN ? unit : UNIT_MIN};
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

static void add_row(links_sum *s, links_source x, const links_row *row)
{
    const uint32_t *restrict target = row->target;
    const uint16_t *restrict level = row->level;
    const float unit = row->unit;
    float *restrict part = s->part[x];
    uint8_t *restrict marked = s->marked[x];
#pragma GCC unroll 4
    for (size_t at = 0; at < row->count; at++) {
        uint32_t item = target[at];
        marked[item / LINKS_BLOCK] = 1;
        part[item] += unit * (float)level[at];
    }
    s->most[x] += unit * LINKS_LEVEL_MAX;
}

static double sum_lanes(const wide *lanes)
{
    double sum = 0;
    for (size_t j = 0; j < KERNEL_LANES; j++) {
        sum += (*lanes)[j];
    }
    return sum;
}

/* add_up adds up a source's sums in some blocks, and their squares. Every caller passes a constant
 * for `scaled`. */
KERNEL_INLINE void add_up(const links_sum *s, links_source x, size_t blocks, bool scaled,
                          links_moments *to)
{
    const float inverse = 1 / to->unit;
    wide sum = {0}, squares = {0};
    for (size_t k = 0; k < blocks;) {
        size_t end = k + FLOATS_IN_LANE < blocks ? k + FLOATS_IN_LANE : blocks;
        kernel_vec few[BLOCK_VECTORS] = {{0}}, few_squares[BLOCK_VECTORS] = {{0}};
        for (; k < end; k++) {
            const kernel_vec *at =
                (const kernel_vec *)(s->part[x] + (size_t)s->block[k] * LINKS_BLOCK);
            for (size_t v = 0; v < BLOCK_VECTORS; v++) {
                kernel_vec value = scaled ? at[v] * inverse : at[v];
                few[v] += value;
                few_squares[v] += value * value;
            }
        }
        for (size_t v = 0; v < BLOCK_VECTORS; v++) {
            sum += __builtin_convertvector(few[v], wide);
            squares += __builtin_convertvector(few_squares[v], wide);
        }
    }
    to->sum = sum_lanes(&sum);
    to->squares = sum_lanes(&squares);
}

/* measure computes the moments of a source's sums, divided by their bound if it is extreme. */
KERNEL_CLONES
static void measure(links_sum *s, links_source x)
{
    const size_t blocks = list_marked(s, x);
    links_moments *to = &s->moments[x];
    if (s->most[x] > UNSCALED_MIN && s->most[x] < UNSCALED_MAX) {
        to->unit = 1;
        add_up(s, x, blocks, false, to);
    } else {
        to->unit = s->most[x];
        add_up(s, x, blocks, true, to);
    }
}

void links_sum_set(links_sum *s, const item_links *l, const links_owned *owned, size_t count)
{
    assert(s->room >= l->items && count <= LINKS_HISTORY_MAX);
    links_row rows[LINKS_SOURCES * LINKS_HISTORY_MAX];
    size_t end[LINKS_SOURCES], planned = 0;
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        planned += plan_rows(l, (links_source)x, owned, count, rows + planned);
        end[x] = planned;
    }
    for (size_t x = 0, k = 0, seen = 0; x < LINKS_SOURCES; x++) {
        clear_source(s, (links_source)x);
        for (; k < end[x]; k++) {
            for (; seen <= k || (seen < planned && seen % ROWS_READ != 0); seen++) {
                read_row(&rows[seen]);
            }
            add_row(s, (links_source)x, &rows[k]);
        }
        if (s->most[x] > 0) {
            measure(s, (links_source)x);
        }
    }
}

/* add_sharp adds the links of one item of the history. */
static void add_sharp(links_sum *s, const item_links *l, links_source x, unsigned squarings,
                      const links_owned *own)
{
    const links_table *t = &l->source[x];
    const float unit = t->unit[own->item], pull = own->pull[x];
    for (uint64_t at = t->start[own->item]; at < t->start[own->item + 1]; at++) {
        uint32_t item = t->target[at];
        float value = pull * links_sharp(unit * (float)t->level[at], squarings);
        s->marked[x][item / LINKS_BLOCK] = 1;
        s->part[x][item] += value > UNIT_MIN ? value : UNIT_MIN;
    }
    s->most[x] += fmaxf(pull * links_sharp(unit * LINKS_LEVEL_MAX, squarings), UNIT_MIN);
}

void links_sum_set_sharp(links_sum *s, const item_links *l, unsigned squarings,
                         const links_owned *owned, size_t count)
{
    assert(s->room >= l->items && count <= LINKS_HISTORY_MAX);
    links_sum_clear(s);
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        for (size_t k = 0; k < count && l->choice.beta[x] > 0; k++) {
            if (owned[k].item < l->items && owned[k].pull[x] > 0) {
                add_sharp(s, l, (links_source)x, squarings, &owned[k]);
            }
        }
    }
}

void links_factors(float factor[LINKS_SOURCES], const links_choice *c, links_sum *s, size_t items,
                   float spread_h)
{
    for (size_t x = 0; x < LINKS_SOURCES; x++) {
        if (s->most[x] > 0 && !(s->moments[x].unit > 0)) {
            measure(s, (links_source)x);
        }
        const links_moments *of = &s->moments[x];
        double mean = items > 0 ? of->sum / (double)items : 0;
        double spread = items > 0 ? of->squares / (double)items - mean * mean : 0;
        double wanted = (double)c->beta[x] * (double)spread_h / (double)of->unit;
        double value = spread > 0 ? wanted / sqrt(spread) : 0;
        factor[x] = isfinite(value) && value < 1e30 ? (float)value : 0;
    }
}
