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

/* The items that determine a user's row: edges that count, and the session. */
typedef struct profile_item {
    uint32_t item;
    float weight;
    /* time of the item's latest record that counts; a session is later than all records */
    uint32_t time;
} profile_item;

/* An item of the profile that may be a reason. Its row of H is in recommend_scratch.unit. */
typedef struct profile_own {
    uint32_t item;
    float length; /* length of the row, above 0 */
} profile_own;
/* The bitmap of a filter that several queries share. */
typedef struct shared_filter {
    const filter *of; /* the filter; NULL if the entry is unused */
    uint64_t *words;  /* (words_room of its scratch) */
    size_t words_room;
} shared_filter;

struct recommend_scratch {
    void (*filtered)(void *ctx); /* see recommend_scratch_on_filtered; or NULL */
    void *filtered_ctx;
    index_scratch *index;
    /* (words) bitmap of candidates; later without the rows that the base must not return */
    uint64_t *allowed;
    uint64_t *skip;
    size_t words_room;
    profile_item *profile; /* (profile_count) */
    size_t profile_count, profile_room;
    size_t session_count; /* the last items of the profile are the session's */
    links_owned *owned;   /* (owned_count) the history whose links are summed */
    size_t owned_count;
    links_sum sums;              /* sums of the history's links, by item */
    float factor[LINKS_SOURCES]; /* the factor of each source's sum in the score */
    bool newcomer;               /* training has not seen the user; also true for a session alone */
    bool fading;           /* only later items have content links, which fade as users take them */
    unsigned squarings;    /* of the links' weights (links_sharp): above 0 only without features */
    float lift;            /* the lift of a later item without users; above 0 */
    const cold_item *text; /* the query's text if any of its words is known, otherwise NULL */
    /* (dim) the user's row, its multimodal part, and the query vector under the balance */
    float *h, *m, *q;
    /* (2 pool, dim) rows of length 1, for diversity; later (REASONS_MAX, dim) rows of the profile,
     * for explanations */
    float *unit;
    size_t dim_room, unit_room;
    topk_hit *best;              /* (POOL_MAX) */
    float *scores;               /* (SCORE_BLOCK) */
    float *relevance, *nearness; /* (POOL_MAX) */
    uint32_t *compared;          /* (POOL_MAX) number of chosen items that the nearness covers */
    /* (linked_room) linked items and the links' addition to each, for a table in clusters */
    uint32_t *linked;
    float *adds;
    size_t linked_count;
    uint32_t *leading; /* (linked_room) */
    size_t linked_room;
    recommend_hit *hits;  /* (POOL_MAX) */
    recommend_hit *order; /* (RECOMMEND_DEPTH_MAX) hits in the order of diversity */
    profile_own *own;     /* (REASONS_MAX) */
    struct top_key *keys; /* (POOL_MAX) */
    bool sharing;
    shared_filter shared[SHARED_FILTERS];
    size_t shared_next; /* index of the entry in `shared` to reuse next */
};

/* Reasons are searched among REASONS_MAX of a user's items. */
enum { POOL_MAX = 2 * RECOMMEND_DEPTH_MAX, SCORE_BLOCK = 4096, REASONS_MAX = 2000 };

/* scratch_fit makes the scratch large enough for the view. scratch_profile_push adds an item to the
 * profile. */
err_code scratch_fit(recommend_scratch *s, const view *v, err *e) ERR_CHECKED;
err_code scratch_profile_push(recommend_scratch *s, profile_item item, err *e) ERR_CHECKED;
err_code scratch_unit(recommend_scratch *s, size_t floats, err *e) ERR_CHECKED;

/* scratch_allow fills s->allowed with the items that pass the filter (NULL: all that may be listed)
 * and are not among the excluded rows. */
err_code scratch_allow(recommend_scratch *s, const view *v, const filter *f,
                       const uint32_t *exclude /* (count) */, size_t count, err *e) ERR_CHECKED;

/* profile_time returns the latest time of the records of a pair that count. The pair has `records`
 * records from `edges` on. */
uint32_t profile_time(const live_edge *edges, size_t records);

/* user_profile collects the profile. With `mask` it removes `seen` rows from s->allowed. */
err_code user_profile(const view *v, const recommend_query *q, bool mask, recommend_scratch *s,
                      err *e) ERR_CHECKED;

/* user_trained tells whether training produced a row for the user. */
bool user_trained(const base *b, uint32_t user);

/* user_e writes the row of E of the scratch's profile, before any convolution. */
void user_e(const view *v, uint32_t user, const recommend_scratch *s, float *out /* (dim) */);

/* user_row writes the row of H of the scratch's profile to s->h, and sets s->newcomer. It returns
 * false if there is no row. */
bool user_row(const view *v, uint32_t user, recommend_scratch *s);

/* text_row mixes a query's text into s->h if `personal`, or else writes the text's row there. It
 * returns false if there is still no row. text_h writes the text's row of H; it returns false if no
 * word of the text is known. */
bool text_row(const view *v, const cold_item *text, bool personal, recommend_scratch *s);
bool text_h(const view *v, const cold_item *text, recommend_scratch *s);

/* linked_query sums the links of the profile's items and scales them for this user; s->h must be
 * set. linked_part returns what one source of links adds to an item's score, linked_score the
 * item's whole score. */
void linked_query(const view *v, float balance, recommend_scratch *s);

/* linked_similar does the same for a list of items similar to the one item of the profile, or to
 * the text, by one part. s->q must have length 1. */
void linked_similar(const view *v, similar_by by, recommend_scratch *s);

/* linked_from returns what one item of the history adds to another item's score through links. */
float linked_from(const view *v, const recommend_scratch *s, const links_owned *own, uint32_t row);

static inline float linked_part(const recommend_scratch *s, links_source x, uint32_t row)
{
    return s->factor[x] * s->sums.part[x][row];
}

/* linked_lift returns the factor on an item's whole score, inner product and links together. It is
 * 1 except for items that came after the training, have links and a score above 0. */
float linked_lift(const view *v, const recommend_scratch *s, uint32_t row, float score);

static inline float linked_score(const view *v, const recommend_scratch *s, uint32_t row,
                                 float dense)
{
    float score = links_sum_score(&s->sums, row, dense, s->factor);
    return row < v->base->trained ? score : score * linked_lift(v, s, row, score);
}

/* search_best writes the best `pool` of the allowed, placed items to s->hits by whole score, for
 * the vector s->q and the links that linked_query summed. It sets out->count and out->exact. */
err_code search_best(const view *v, bool exactly, size_t pool, recommend_scratch *s,
                     recommend_result *out, err *e) ERR_CHECKED;

/* diversity_pool returns from how many of the best hits the first `places` are chosen; at most
 * POOL_MAX. diversify moves the `depth` hits that MMR chooses from `count` hits (best first) to the
 * front, in its order. */
size_t diversity_pool(size_t places);
err_code diversify(const view *v, float diversity, size_t depth, size_t count, recommend_scratch *s,
                   err *e) ERR_CHECKED;

/* list_begin checks the query and makes the bitmap of candidates. list_end selects the page from
 * the `count` hits. */
err_code list_begin(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                    err *e) ERR_CHECKED;
void list_end(const list_query *q, const recommend_scratch *s, size_t count, recommend_result *out);

/* fill_by_number appends to s->hits, from index `at` up to `depth`, the first rows of s->allowed in
 * the order of `kind`. It returns the new number of hits. */
size_t fill_by_number(const view *v, top_kind kind, size_t at, size_t depth, recommend_scratch *s);

/* explain_hits fills in the parts and the reasons of the hits that come from the vectors. */
err_code explain_hits(const view *v, float balance, recommend_scratch *s, recommend_hit *hits,
                      size_t count, err *e) ERR_CHECKED;

static inline void take_out(uint64_t *words, uint32_t row, size_t rows)
{
    if (row < rows) {
        bits_clear(words, row);
    }
}

#endif
