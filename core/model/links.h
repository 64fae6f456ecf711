/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links: weighted links from item to item, the sparse part of the score.
 *
 *     s(u, i) = <h_u, h_i> + sum over sources x of  b_x sigma_h(u) / sigma_x(u) * S_x(u, i)
 *     S_x(u, i) = sum over the items j of u's history of  weight_j r_x^step(j) L_x(j, i)
 *
 * 64 smoothed dimensions cannot represent sharp pairs of items; a list of links can. There are two
 * sources: collaborative links come from users who took both items, content links from similar
 * features. They stay separate, so that each is scaled by its own spread and an answer can be
 * explained. sigma_h is the spread of the inner product over the items, and sigma_x that of the
 * source's sum over the items. step(j) counts the distinct times in the history that are later than
 * that of j. Links are not negative.
 *
 * Row j of a table lists the links from item j, which a user has, to other items. A query so reads
 * one short row for each item of the history. A link takes 6 bytes.
 *
 * Training and serving call the same functions in the same order, so their scores are equal bit for
 * bit. `item_links` is immutable once made. A links_sum belongs to one thread at a time.
 */
#ifndef CORE_LINKS_H
#define CORE_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"

typedef enum links_source {
    LINKS_COLLABORATIVE = 0,
    LINKS_CONTENT,
    LINKS_SOURCES,
} links_source;

/* How collaborative links are computed. */
typedef enum links_kind {
    LINKS_COSINE = 0, /* users in common, with shrinkage */
    LINKS_DIRECTED,   /* by how often users took i soon after j */
    LINKS_KINDS,
} links_kind;

enum {
    LINKS_HISTORY_MAX = 256, /* the latest items of a history that count */
    LINKS_ROW_MAX = 1 << 16, /* most links in one row */
    LINKS_LEVEL_MAX = 65535, /* a link's weight is unit * level */
};

/* The parameters that validation chose. A source whose beta is 0 adds nothing. */
typedef struct links_choice {
    float beta[LINKS_SOURCES];
    /* in (0, 1]: the factor for each step back in time; 1 ignores the order */
    float recency[LINKS_SOURCES];
    links_kind kind;
    /* added to the denominators of the collaborative links (core/model/links_build.h) */
    float shrinkage;
    /* weight of each of the model's modalities in the content links */
    float modality[MODALITIES_MAX];
} links_choice;

/* One source's links. A row ascends by target and has each target once, but never the row
 * itself. */
typedef struct links_table {
    uint64_t *start;  /* (items + 1): row j is [start[j], start[j + 1]) */
    float *unit;      /* (items) the weight of one level in the row */
    uint32_t *target; /* (start[items]) item rows */
    uint16_t *level;  /* (start[items]) 1 .. LINKS_LEVEL_MAX; L(j, i) = unit[j] * level */
} links_table;

typedef struct item_links {
    size_t items;
    links_table source[LINKS_SOURCES];
    links_choice choice;
} item_links;

/* A link before it is packed. */
typedef struct links_entry {
    uint32_t target;
    float weight; /* > 0 and finite */
} links_entry;

/* links_new makes links without entries: every row is empty, every beta 0, every recency 1. */
err_code links_new(item_links **out, size_t items, err *e) ERR_CHECKED;
void links_free(item_links *l); /* accepts NULL */

/* links_copy duplicates links for at least `items` rows. Rows that `l` lacks are empty. */
err_code links_copy(item_links **out, const item_links *l, size_t items, err *e) ERR_CHECKED;

/* links_table_alloc makes room for `count` links of `items` rows, all zero. links_table_fini frees
 * the arrays. */
err_code links_table_alloc(links_table *t, size_t items, size_t count, err *e) ERR_CHECKED;
void links_table_fini(links_table *t);

/* links_table_put packs the links of row `row`, ascending by target, after those of the previous
 * row. Put every row once, in order. */
void links_table_put(links_table *t, size_t row, const links_entry *entries, size_t count);

/* links_choice_check verifies a choice that was read from outside. ERR_CORRUPT. */
err_code links_choice_check(const links_choice *c, err *e) ERR_CHECKED;

/* links_check verifies links that were read from outside: starts, order, targets, units and the
 * choice. ERR_CORRUPT. */
err_code links_check(const item_links *l, err *e) ERR_CHECKED;

/* links_bytes returns the size of the tables in memory. */
size_t links_bytes(const item_links *l);

/* links_weight returns L(owned, target) of one source, or 0 if there is no such link or row. */
float links_weight(const item_links *l, links_source x, uint32_t owned, uint32_t target);

/* --- a user's history --------------------------------------------------------------------- */

typedef struct links_owned {
    uint32_t item;             /* item row; a later item may lie beyond the links' rows */
    float weight;              /* weight of the interaction, > 0 and finite */
    uint32_t time;             /* larger is later; equal times are one step */
    float pull[LINKS_SOURCES]; /* output: weight * recency^step, or 0 if it no longer counts */
} links_owned;

/* links_history sorts a history (each item once) by time, latest first, and by row within one time.
 * It fills `pull` and returns how many items count: at most LINKS_HISTORY_MAX, and none whose pulls
 * are all below 1/1024 of their values without recency. */
size_t links_history(const links_choice *c, links_owned *owned, size_t count);

/* --- the sums ----------------------------------------------------------------------------- */

enum { LINKS_BLOCK = 16 /* items whose sums are one cache line */ };

/* The moments of one source's sums, divided by a unit so that squares are in the range of floats.
 */
typedef struct links_moments {
    double sum, squares;
    float unit; /* 0: not computed */
} links_moments;

/* Sums over a history, by item. Passes over them read whole blocks of LINKS_BLOCK items, and only
 * the blocks that contain a sum. */
typedef struct links_sum {
    size_t room;                /* number of items that the arrays have room for; whole blocks */
    float *part[LINKS_SOURCES]; /* (room) the sum of each item; 0 without links */
    float most[LINKS_SOURCES];  /* an upper bound of each source's sums; 0 if there are none */
    /* (room / LINKS_BLOCK) 1 for a block that has a sum, otherwise 0 */
    uint8_t *marked[LINKS_SOURCES];
    links_moments moments[LINKS_SOURCES];
    uint32_t *block; /* (room / LINKS_BLOCK + 1) scratch */
} links_sum;

/* links_sum_fit makes room for item rows below `items`; start from {0}. links_sum_clear zeroes the
 * sums. */
err_code links_sum_fit(links_sum *s, size_t items, err *e) ERR_CHECKED;
void links_sum_fini(links_sum *s);
void links_sum_clear(links_sum *s);

/* links_sum_set replaces the sums by those of a history that links_history has sorted, added up
 * source by source and in that order. Items beyond the links' rows add nothing. The sum must have
 * room for l->items. */
void links_sum_set(links_sum *s, const item_links *l, const links_owned *owned, size_t count);

/* links_sharp squares a weight `squarings` times. One close pair then outweighs many loose ones. */
static inline float links_sharp(float weight, unsigned squarings)
{
    for (unsigned k = 0; k < squarings; k++) {
        weight *= weight;
    }
    return weight;
}

/* links_sum_set_sharp does what links_sum_set does, with links_sharp of the links' weights. */
void links_sum_set_sharp(links_sum *s, const item_links *l, unsigned squarings,
                         const links_owned *owned, size_t count);

/* links_sum_put adds one link that a service knows in addition to the tables. `value` > 0. */
static inline void links_sum_put(links_sum *s, links_source x, uint32_t item, float value)
{
    /* Never so small that the item looks as if it had no links. */
    value = value > 1e-30F ? value : 1e-30F;
    s->part[x][item] += value;
    s->most[x] += value;
    s->marked[x][item / LINKS_BLOCK] = 1;
    s->moments[x].unit = 0;
}

/* links_sum_any tells whether links lead to any item. */
static inline bool links_sum_any(const links_sum *s)
{
    return s->most[LINKS_COLLABORATIVE] > 0 || s->most[LINKS_CONTENT] > 0;
}

/* links_sum_blank tells whether links lead to no item of a block. */
static inline bool links_sum_blank(const links_sum *s, size_t block)
{
    return (s->marked[LINKS_COLLABORATIVE][block] | s->marked[LINKS_CONTENT][block]) == 0;
}

/* links_sum_linked tells whether links lead to an item. links_sum_rows writes all such items,
 * ascending, and returns how many there are. `rows` has room for s->room + 1. */
static inline bool links_sum_linked(const links_sum *s, uint32_t item)
{
    return s->part[LINKS_COLLABORATIVE][item] + s->part[LINKS_CONTENT][item] > 0;
}

size_t links_sum_rows(const links_sum *s, uint32_t *rows);

/* links_factors fills factor = beta * spread_h / the sum's own spread over `items` items, or 0 for
 * a source that is unused or adds nothing. spread_h is links_spread of the user's row of H. */
void links_factors(float factor[LINKS_SOURCES], const links_choice *c, links_sum *s, size_t items,
                   float spread_h);

/* links_score returns the whole score of an item with inner product `dense` and sums `part`. */
static inline float links_score(float dense, const float part[LINKS_SOURCES],
                                const float factor[LINKS_SOURCES])
{
    return dense + (factor[LINKS_COLLABORATIVE] * part[LINKS_COLLABORATIVE] +
                    factor[LINKS_CONTENT] * part[LINKS_CONTENT]);
}

/* links_sum_score is links_score with the sums of an item. */
static inline float links_sum_score(const links_sum *s, uint32_t item, float dense,
                                    const float factor[LINKS_SOURCES])
{
    const float part[LINKS_SOURCES] = {s->part[LINKS_COLLABORATIVE][item],
                                       s->part[LINKS_CONTENT][item]};
    return links_score(dense, part, factor);
}

/* links_lift returns the factor for the score of an item that nobody has taken but that has links
 * from the history. A trained item has links of both sources, and its vector reflects the users who
 * took it; an untaken item has only content links and no such users. `mapped` tells that a map
 * between features (core/model/content_map.h) supplies the links that stand in for collaborative
 * ones. */
float links_lift(const links_choice *c, bool mapped);

/* --- the spread of the inner product ------------------------------------------------------ */

/* links_covariance writes the covariance (dim, dim) of the rows of h (rows, dim). The result is the
 * same for any number of threads. */
err_code links_covariance(const float *h, size_t rows, size_t dim, float *covariance,
                          err *e) ERR_CHECKED;

/* links_spread returns sqrt(h' covariance h): the standard deviation of <h, h_i> over the items. */
float links_spread(const float *covariance, const float *h, size_t dim);

#endif
