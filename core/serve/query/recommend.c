/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recommend: makes a list from a query.
 *
 * The order of the steps ensures the guarantees. First comes the bitmap of items that may be listed
 * (exists, not hidden, passes the filter); then seen and excluded rows are removed from it. Search,
 * diversity and the popular items all draw from this one bitmap.
 */
#include "core/serve/query/recommend.h"

#include <math.h>
#include <string.h>

#include "core/search/scan.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/recommend_scratch.h"

const char *recommend_fallback_name(recommend_fallback fallback)
{
    switch (fallback) {
    case FALLBACK_NONE: return NULL;
    case FALLBACK_NEW_USER: return "new_user";
    case FALLBACK_UNKNOWN_USER: return "unknown_user";
    case FALLBACK_NO_CANDIDATES: return "no_candidates";
    case FALLBACK_NO_MODEL: return "no_model";
    case RECOMMEND_FALLBACKS: break;
    }
    return NULL;
}

static err_code check_query(const recommend_query *q, err *e)
{
    if (q->k < 1 || q->offset > RECOMMEND_DEPTH_MAX || q->k > RECOMMEND_DEPTH_MAX - q->offset) {
        return err_set(e, ERR_INVALID,
                       "k: %zu with offset %zu, allowed k from 1 and a sum of up to %d", q->k,
                       q->offset, RECOMMEND_DEPTH_MAX);
    }
    if (!(q->balance >= 0 && q->balance <= 1)) {
        return err_set(e, ERR_INVALID, "balance: %g, allowed 0 to 1", (double)q->balance);
    }
    if (!(q->diversity >= 0 && q->diversity <= 1)) {
        return err_set(e, ERR_INVALID, "diversity: %g, allowed 0 to 1", (double)q->diversity);
    }
    return ERR_OK;
}

/* balanced writes the query vector 2 [(1 - balance) (h - m) + balance m]. At 0.5 this is h itself.
 * m is then computed only for an explanation, because it costs a considerable part of a search. */
static void balanced(const base *b, float balance, bool explain, recommend_scratch *s)
{
    if (balance == 0.5F && !explain) {
        memcpy(s->q, s->h, b->dim * sizeof *s->q);
        return;
    }
    parts_multimodal(b->parts, s->h, s->m);
    for (size_t j = 0; j < b->dim; j++) {
        float weighed = 2 * ((1 - balance) * (s->h[j] - s->m[j]) + balance * s->m[j]);
        s->q[j] = balance == 0.5F ? s->h[j] : weighed;
    }
}

/* rank makes the personal part of the list: at most `depth` hits. */
static err_code rank(const view *v, const recommend_query *q, size_t depth, recommend_scratch *s,
                     recommend_result *out, err *e)
{
    balanced(v->base, q->balance, q->explain, s);
    linked_query(v, q->balance, s);
    size_t pool = q->diversity > 0 ? diversity_pool(depth) : depth;
    err_code code = search_best(v, q->exact, pool, s, out, e);
    if (code == ERR_OK && q->diversity > 0) {
        code = diversify(v, q->diversity, depth, out->count, s, e);
        out->count = out->count < depth ? out->count : depth;
    }
    for (size_t i = 0; i < out->count && code == ERR_OK; i++) {
        take_out(s->allowed, s->hits[i].row, v->item_rows);
    }
    return code;
}

static recommend_fallback reason(const view *v, const recommend_query *q)
{
    if (v->base == NULL) {
        return FALLBACK_NO_MODEL;
    }
    if (q->user == ROW_NONE) {
        return q->nobody && !q->by_text ? FALLBACK_NO_CANDIDATES : FALLBACK_UNKNOWN_USER;
    }
    /* A user none of whose items has a vector is as new to the model as one without items. */
    return FALLBACK_NEW_USER;
}

err_code recommend(const view *v, const recommend_query *q, recommend_scratch *s,
                   recommend_result *out, err *e)
{
    *out = (recommend_result){.hits = s->hits, .exact = true};
    size_t depth = q->k + q->offset;
    err_code code = check_query(q, e);
    if (code == ERR_OK) {
        code = scratch_fit(s, v, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    code = scratch_allow(s, v, q->filter, q->exclude, q->exclude_count, e);
    if (code == ERR_OK) {
        code = user_profile(v, q, !q->include_seen, s, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    bool personal = text_row(v, q->text, user_row(v, q->user, s), s);
    out->fallback = personal ? FALLBACK_NONE : reason(v, q);
    if (personal) {
        code = rank(v, q, depth, s, out, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    size_t ranked = out->count;
    out->count = fill_by_number(v, TOP_USERS, ranked, depth, s);
    if (personal && ranked < depth) {
        out->fallback = FALLBACK_NO_CANDIDATES;
    }
    if (q->explain && personal && ranked > q->offset) {
        code = explain_hits(v, q->balance, s, s->hits + q->offset, ranked - q->offset, e);
    }
    size_t skipped = q->offset < out->count ? q->offset : out->count;
    out->hits = s->hits + skipped;
    out->count -= skipped;
    return code;
}

bool recommend_user_vector(const view *v, uint32_t user, const session_item *session, size_t count,
                           recommend_scratch *s, float *out)
{
    recommend_query q = RECOMMEND_QUERY_INIT;
    q.user = user;
    q.session = session;
    q.session_count = count;
    if (scratch_fit(s, v, NULL) != ERR_OK || user_profile(v, &q, false, s, NULL) != ERR_OK ||
        !user_row(v, user, s)) {
        return false;
    }
    memcpy(out, s->h, v->base->dim * sizeof *out);
    return true;
}
