/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recommend_scratch: the memory that one query uses, for the files behind
 * core/serve/query/recommend.h.
 *
 * Each array grows to the size that the largest query so far needed and is reused, so after a while
 * a server allocates nothing per request.
 */
#ifndef CORE_RECOMMEND_SCRATCH_H
#define CORE_RECOMMEND_SCRATCH_H

#include "core/common/bits.h"
#include "core/common/item_fields.h"
#include "core/search/topk.h"
#include "core/serve/query/recommend.h"
#include "core/serve/state/coldstart_maps.h"
#include "core/serve/state/view_tables.h"

/* The items that make a user's row: edges that count, and the session. */
typedef struct profile_item {
    uint32_t item;
    float weight;
    uint32_t time; /* of the latest record that counts; a session is later than all */
} profile_item;

/* One of the profile's items that may be a reason; its row of H lies in recommend_scratch.unit. */
typedef struct profile_own {
    uint32_t item;
    float length; /* of the row, above 0 */
} profile_own;
/* The bitmap of a filter that several queries share. */
typedef struct shared_filter {
    const filter *of; /* NULL: none */
    uint64_t *words;  /* (words_room of its scratch) */
    size_t words_room;
} shared_filter;

struct recommend_scratch {
    void (*filtered)(void *ctx); /* or NULL */
    void *filtered_ctx;
    index_scratch *index;
    uint64_t *allowed; /* (words) bitmap of candidates, then of what the base may not give */
    uint64_t *skip;
    size_t words_room;
    profile_item *profile; /* (profile_count) */
    size_t profile_count, profile_room;
    size_t session_count; /* of the profile: the last ones */
    links_owned *owned;   /* (owned_count) the history that links start from */
    size_t owned_count;
    links_sum sums;              /* of the history's links, by item */
    float factor[LINKS_SOURCES]; /* what a sum is worth in the score */
    bool newcomer;               /* training has not seen the user; a session alone is one too */
    bool fading;           /* only later items have content links, which fade as users buy them */
    float lift;            /* of a later item that nobody has bought; above 0 */
    const cold_item *text; /* the query's, if any of its words is known; else NULL */
    float *h, *m, *q;      /* (dim) the user's row, its multimodal part, the query under balance */
    float *unit;           /* (2 pool, dim) rows at length 1, for diversity; then (REASONS_MAX, dim)
                              rows of the profile, for explanations */
    size_t dim_room, unit_room;
    topk_hit *best;              /* (POOL_MAX) */
    float *scores;               /* (SCORE_BLOCK) */
    float *relevance, *nearness; /* (POOL_MAX) */
    uint32_t *compared;          /* (POOL_MAX) how many chosen items a nearness is up to */
    float *adds;       /* (linked_room) what links add to the items sums.touched, in their order */
    uint32_t *leading; /* (linked_room) */
    size_t linked_room;
    float *extra; /* (extra_room) what links add, by row; all zero between searches */
    size_t extra_room;
    recommend_hit *hits;  /* (POOL_MAX) */
    recommend_hit *order; /* (RECOMMEND_DEPTH_MAX) hits as diversity ranks them */
    profile_own *own;     /* (REASONS_MAX) */
    struct top_key *keys; /* (POOL_MAX) */
    bool sharing;
    shared_filter shared[SHARED_FILTERS];
    size_t shared_next; /* the place that is used again next */
};

/* Reasons are looked for among REASONS_MAX of a user's items. */
enum { POOL_MAX = 2 * RECOMMEND_DEPTH_MAX, SCORE_BLOCK = 4096, REASONS_MAX = 2000 };

/* scratch_fit makes the scratch large enough for the view; scratch_profile_push adds an item. */
err_code scratch_fit(recommend_scratch *s, const view *v, err *e) ERR_CHECKED;
err_code scratch_profile_push(recommend_scratch *s, profile_item item, err *e) ERR_CHECKED;
err_code scratch_unit(recommend_scratch *s, size_t floats, err *e) ERR_CHECKED;

/* scratch_allow fills s->allowed with what passes the filter (NULL: all that may be listed) and is
 * not among the excluded rows. */
err_code scratch_allow(recommend_scratch *s, const view *v, const filter *f,
                       const uint32_t *exclude /* (count) */, size_t count, err *e) ERR_CHECKED;

/* profile_time is when a pair, with so many records from `edges` on, was last said to count. */
uint32_t profile_time(const live_edge *edges, size_t records);

/* user_profile collects the profile; `seen` rows are taken out of s->allowed if `mask`. */
err_code user_profile(const view *v, const recommend_query *q, bool mask, recommend_scratch *s,
                      err *e) ERR_CHECKED;

/* user_trained tells whether training left a row for the user. */
bool user_trained(const base *b, uint32_t user);

/* user_e writes the scratch's profile's own row of E, before any convolution. */
void user_e(const view *v, uint32_t user, const recommend_scratch *s, float *out /* (dim) */);

/* user_row writes the row of H of the scratch's profile into s->h, and s->newcomer; false if there
 * is none. */
bool user_row(const view *v, uint32_t user, recommend_scratch *s);

/* text_row puts a query's text into s->h, beside the row that is there if `personal`; false if
 * there is none still. text_h writes the text's row of H; false if no word of it is known. */
bool text_row(const view *v, const cold_item *text, bool personal, recommend_scratch *s);
bool text_h(const view *v, const cold_item *text, recommend_scratch *s);

/* linked_query sums the links of the profile's items and scales them for this user: needs s->h.
 * linked_part is what an item gets of one source beside its inner product, linked_score the whole
 * score of an item. */
void linked_query(const view *v, float balance, recommend_scratch *s);

/* linked_similar does the same for what is like the one item of the profile, or like the text, by a
 * part: needs s->q at length 1. */
void linked_similar(const view *v, similar_by by, recommend_scratch *s);

/* linked_from is what one item of the history adds to another's score by its links. */
float linked_from(const view *v, const recommend_scratch *s, const links_owned *own, uint32_t row);

static inline float linked_part(const recommend_scratch *s, links_source x, uint32_t row)
{
    return s->factor[x] * s->sums.part[(size_t)row * LINKS_SOURCES + x];
}

/* linked_lift is what an item's score, inner product and links together, is multiplied by: not 1
 * for an item that came after the training, has links and a score above 0. */
float linked_lift(const view *v, const recommend_scratch *s, uint32_t row, float score);

static inline float linked_score(const view *v, const recommend_scratch *s, uint32_t row,
                                 float dense)
{
    float score = links_score(dense, s->sums.part + (size_t)row * LINKS_SOURCES, s->factor);
    return row < v->base->trained ? score : score * linked_lift(v, s, row, score);
}

/* search_best writes the best `pool` of the allowed, placed items to s->hits by whole score, for
 * the vector s->q and the links that linked_query summed; out->count and out->exact. */
err_code search_best(const view *v, bool exactly, size_t pool, recommend_scratch *s,
                     recommend_result *out, err *e) ERR_CHECKED;

/* diversity_pool is how many of the best hits the first `places` are chosen from; at most POOL_MAX.
 * diversify brings the `depth` that MMR chooses of `count` hits (best first) to the front, in its
 * order. */
size_t diversity_pool(size_t places);
err_code diversify(const view *v, float diversity, size_t depth, size_t count, recommend_scratch *s,
                   err *e) ERR_CHECKED;

/* list_begin checks the query and makes the bitmap of candidates; list_end cuts the page out of the
 * `count` hits. */
err_code list_begin(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                    err *e) ERR_CHECKED;
void list_end(const list_query *q, const recommend_scratch *s, size_t count, recommend_result *out);

/* fill_by_number appends to s->hits, from place `at` up to `depth`, the rows of s->allowed that
 * come first in the order of `kind`; returns how many hits there are then. */
size_t fill_by_number(const view *v, top_kind kind, size_t at, size_t depth, recommend_scratch *s);

/* explain_hits fills the parts and the reasons of the hits that the vectors gave. */
err_code explain_hits(const view *v, float balance, recommend_scratch *s, recommend_hit *hits,
                      size_t count, err *e) ERR_CHECKED;

static inline void take_out(uint64_t *words, uint32_t row, size_t rows)
{
    if (row < rows) {
        bits_clear(words, row);
    }
}

#endif
