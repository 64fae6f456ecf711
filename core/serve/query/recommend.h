/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recommend: computes the lists that the API returns, all with the same scoring.
 *
 * A user's row is computed for each request (docs/model.md): H_u = w.e_u + sum_i a_ui G_i over
 * their edges, a_ui = weight / sqrt(deg_u deg_i) with live degrees. e_u is the trained E_u, moved
 * towards the user's interactions since training (core/serve/query/user_e.c). For a session, and
 * for a user that the generation does not know, it is the mean of E over their items. Offline
 * evaluation calls the same functions on the same view, so it measures what is served.
 *
 * Guarantees, whatever the query:
 *   - no list contains a hidden, deleted or excluded item, or one that fails the filter;
 *   - no list contains a seen item, unless the query includes seen items;
 *   - no item occurs twice, and ties go to the lower row;
 *   - if the vectors cannot fill the list, popular items do, under the same rules.
 *
 * All memory of a query is in its scratch, which grows to the size of the catalogue once and is
 * reused. One thread at a time uses a scratch; any number of threads share a view.
 */
#ifndef CORE_RECOMMEND_H
#define CORE_RECOMMEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/serve/filter/filter.h"
#include "core/serve/state/view.h"

/* Limits of one query; k + offset <= RECOMMEND_DEPTH_MAX. */
enum { RECOMMEND_DEPTH_MAX = 1000, RECOMMEND_BECAUSE_MAX = 3 };

typedef struct recommend_scratch recommend_scratch;

err_code recommend_scratch_new(recommend_scratch **out, err *e) ERR_CHECKED;
void recommend_scratch_free(recommend_scratch *s);

/* recommend_scratch_on_filtered sets a function that every later query calls as soon as its bitmap
 * of candidates is ready. It serves a caller with a clock, because this folder has none. NULL: no
 * function. */
void recommend_scratch_on_filtered(recommend_scratch *s, void (*filtered)(void *ctx), void *ctx);

/* recommend_scratch_share(true) promises that later queries use one view, and that equal filters
 * among them are the same object. Each filter is then evaluated once; with more than SHARED_FILTERS
 * in turn, some are evaluated again. The filters must stay until the call with false. */
enum { SHARED_FILTERS = 16 };
void recommend_scratch_share(recommend_scratch *s, bool share);

/* An item of a session; weight is finite and above 0. */
typedef struct session_item {
    uint32_t item; /* the item's row */
    float weight;
} session_item;

typedef struct recommend_query {
    uint32_t user; /* row, or ROW_NONE for an unknown user or none */
    bool nobody;   /* the request names no user, only a session; `user` is ROW_NONE */
    /* (session_count) in addition to the user's own edges, or without a user */
    const session_item *session;
    size_t session_count;
    bool by_text; /* the query has a text */
    /* the encoded words (core/serve/state/coldstart.h); NULL if none is known */
    const struct cold_item *text;
    size_t k, offset;        /* k >= 1 */
    const uint32_t *exclude; /* (exclude_count) rows, in any order */
    size_t exclude_count;
    const filter *filter; /* NULL: no filter */
    bool include_seen;    /* otherwise the user's and the session's seen items are left out */
    bool explain;
    bool exact;      /* do not use the approximate search */
    float balance;   /* 0 collaborative .. 0.5 neutral .. 1 multimodal */
    float diversity; /* 0 by score alone .. 1 (MMR); a list is the beginning of every longer one */
} recommend_query;

#define RECOMMEND_QUERY_INIT                                                                       \
    {                                                                                              \
        .user = ROW_NONE, .k = 10, .balance = 0.5F                                                 \
    }

typedef enum recommend_fallback {
    FALLBACK_NONE = 0,
    FALLBACK_NEW_USER,     /* a known user without interactions that count */
    FALLBACK_UNKNOWN_USER, /* an unknown user, and neither session nor text helps */
    /* popular items fill a list that the vectors left short or, for a session without known items,
     * empty */
    FALLBACK_NO_CANDIDATES,
    FALLBACK_NO_MODEL,
    RECOMMEND_FALLBACKS,
} recommend_fallback;

/* recommend_fallback_name returns the API's word, or NULL for FALLBACK_NONE. */
const char *recommend_fallback_name(recommend_fallback fallback);

typedef struct recommend_because {
    uint32_t item; /* row of one of the user's or the session's items that is not hidden */
    /* share of what links add to the score, in (0, 1]; if no link led to the item, the cosine of
     * the two rows of H */
    float similarity;
} recommend_because;

typedef struct recommend_hit {
    uint32_t row;
    bool popular; /* from the popular list; the score is the number of its users */
    float score;
    float collaborative, multimodal; /* with explain: they sum to the score; 0 for popular items */
    recommend_because because[RECOMMEND_BECAUSE_MAX]; /* with explain: best first, no item twice */
    size_t because_count;
} recommend_hit;

/* Borrowed from the scratch until its next use. */
typedef struct recommend_result {
    const recommend_hit *hits; /* (count) after the offset, at most k */
    size_t count;
    recommend_fallback fallback;
    bool exact;
} recommend_result;

/* recommend answers a query. It fails only if memory runs out or numbers are out of range. */
err_code recommend(const view *v, const recommend_query *q, recommend_scratch *s,
                   recommend_result *out, err *e) ERR_CHECKED;

typedef enum similar_by {
    SIMILAR_ALL = 0,
    SIMILAR_COLLABORATIVE,
    SIMILAR_MULTIMODAL,
} similar_by;

typedef struct list_query {
    size_t k, offset;
    const uint32_t *exclude; /* (exclude_count) rows */
    size_t exclude_count;
    const filter *filter; /* NULL: no filter */
} list_query;

/* similar lists the items that are most similar to `item` (core/serve/query/similar.c): by the
 * whole vector, by its collaborative part or by its multimodal part. The item itself is never
 * listed. The list is empty for an item without a vector, and empty with FALLBACK_NO_MODEL without
 * a model. */
err_code similar(const view *v, uint32_t item, similar_by by, const list_query *q,
                 recommend_scratch *s, recommend_result *out, err *e) ERR_CHECKED;

/* similar_text lists the items that are nearest to a text, which is encoded like a new item
 * (coldstart_prepare). NULL, or a text of unknown words, gives popular items with
 * FALLBACK_UNKNOWN_USER. */
err_code similar_text(const view *v, const struct cold_item *text, similar_by by,
                      const list_query *q, recommend_scratch *s, recommend_result *out,
                      err *e) ERR_CHECKED;

/* popular lists items by their number of users, ties to the lower row. Items without users follow
 * in the order of latest. latest lists by creation time, newest first, ties to the higher row. The
 * score is the number of users or the epoch second; the latter is rounded to float
 * (view_item_created has it exactly). */
err_code popular(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                 err *e) ERR_CHECKED;
err_code latest(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                err *e) ERR_CHECKED;

/* recommend_user_vector writes the row of H that `recommend` would search with for this user and
 * session (balance 0.5). It returns false if there is none: no model, nothing known about the user,
 * or no memory. */
bool recommend_user_vector(const view *v, uint32_t user, const session_item *session, size_t count,
                           recommend_scratch *s, float *out /* (dim) */);

#endif
