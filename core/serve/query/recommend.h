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
 * Guarantees, whatever the query: no list holds a hidden, deleted or excluded item, nor one that
 * fails the filter, nor a seen one unless it was asked for; no item twice; ties go to the lower
 * row. When the vectors cannot fill the list, popular items do, under the same rules.
 *
 * All memory of a query lives in its scratch, which grows to the catalogue once and is used again.
 * A scratch serves one thread at a time; views are shared freely.
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

/* recommend_scratch_on_filtered has `filtered` told, in every query to come, as soon as the bitmap
 * of the candidates is made: for a caller with a clock, as this folder has none. NULL: nobody. */
void recommend_scratch_on_filtered(recommend_scratch *s, void (*filtered)(void *ctx), void *ctx);

/* recommend_scratch_share says that the queries to come are of one view, and that filters among
 * them are equal only if they are the same object, so that each is evaluated once (of more than
 * SHARED_FILTERS in turn, some are evaluated again). Ends with false; until then the filters must
 * stay. */
enum { SHARED_FILTERS = 16 };
void recommend_scratch_share(recommend_scratch *s, bool share);

/* An item of a session; weight is finite and above 0. */
typedef struct session_item {
    uint32_t item; /* row */
    float weight;
} session_item;

typedef struct recommend_query {
    uint32_t user;               /* row, or ROW_NONE: unknown, or nobody */
    bool nobody;                 /* no user was named: a session alone; `user` is ROW_NONE */
    const session_item *session; /* (session_count) beside or in place of the user's own edges */
    size_t session_count;
    bool by_text; /* words were given */
    const struct cold_item
        *text;               /* what they became (core/serve/state/coldstart.h); NULL: nothing */
    size_t k, offset;        /* k >= 1 */
    const uint32_t *exclude; /* (exclude_count) rows, in any order */
    size_t exclude_count;
    const filter *filter; /* or NULL */
    bool include_seen;    /* else the user's seen items and the session's are left out */
    bool explain;
    bool exact;      /* never an approximate search */
    float balance;   /* 0 collaborative .. 0.5 neutral .. 1 multimodal */
    float diversity; /* 0 by score alone .. 1 (MMR); a list begins every longer one */
} recommend_query;

#define RECOMMEND_QUERY_INIT                                                                       \
    {                                                                                              \
        .user = ROW_NONE, .k = 10, .balance = 0.5F                                                 \
    }

typedef enum recommend_fallback {
    FALLBACK_NONE = 0,
    FALLBACK_NEW_USER,      /* known, without an interaction that counts */
    FALLBACK_UNKNOWN_USER,  /* no such user, and no session or text that says more */
    FALLBACK_NO_CANDIDATES, /* popular items fill a list that the vectors left short or, for a
                               session without any known item, empty */
    FALLBACK_NO_MODEL,
    RECOMMEND_FALLBACKS,
} recommend_fallback;

/* recommend_fallback_name gives the API's word, NULL for FALLBACK_NONE. */
const char *recommend_fallback_name(recommend_fallback fallback);

typedef struct recommend_because {
    uint32_t item;    /* row, one of the user's own items or the session's that are not hidden */
    float similarity; /* share of what links add to the score, in (0, 1]; where no link led to the
                         item, the cosine of the two rows of H */
} recommend_because;

typedef struct recommend_hit {
    uint32_t row;
    bool popular; /* came from the popular list: score is the number of its users */
    float score;
    float collaborative, multimodal; /* explain: they sum to score; 0 for popular ones */
    recommend_because because[RECOMMEND_BECAUSE_MAX]; /* explain: best first, no item twice */
    size_t because_count;
} recommend_hit;

/* Borrowed from the scratch, until its next use. */
typedef struct recommend_result {
    const recommend_hit *hits; /* (count), after offset, at most k */
    size_t count;
    recommend_fallback fallback;
    bool exact;
} recommend_result;

/* recommend answers a query; it fails only for want of memory or for numbers out of range. */
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
    const filter *filter; /* or NULL */
} list_query;

/* similar lists the items most like `item` (core/serve/query/similar.c), by everything, by its
 * collaborative part or by its multimodal one; never the item itself. Empty, with
 * FALLBACK_NO_MODEL, without a model, and empty for an item without a vector. */
err_code similar(const view *v, uint32_t item, similar_by by, const list_query *q,
                 recommend_scratch *s, recommend_result *out, err *e) ERR_CHECKED;

/* similar_text lists the items nearest to a text, encoded as a new item is (coldstart_prepare);
 * NULL or a text of unknown words is answered as somebody unknown is: by popular items, with
 * FALLBACK_UNKNOWN_USER. */
err_code similar_text(const view *v, const struct cold_item *text, similar_by by,
                      const list_query *q, recommend_scratch *s, recommend_result *out,
                      err *e) ERR_CHECKED;

/* popular lists by the number of users, ties to the lower row, and then the items
 * without users as latest does: by creation time, newest first, ties to the higher row. Score is
 * that number, and the epoch second rounded to float (view_item_created has it whole). */
err_code popular(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                 err *e) ERR_CHECKED;
err_code latest(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                err *e) ERR_CHECKED;

/* recommend_user_vector writes the H row that `recommend` would search with for this user and
 * session (balance 0.5); false if there is none (no model, nothing known of them, no memory). */
bool recommend_user_vector(const view *v, uint32_t user, const session_item *session, size_t count,
                           recommend_scratch *s, float *out /* (dim) */);

#endif
