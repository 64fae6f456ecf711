/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/judge.h"

#include <omp.h>

#include "core/common/blas.h"
#include "core/common/mem.h"
#include "core/serve/state/base.h"
#include "core/train/eval/given.h"
#include "server/load/live_load.h"

struct judge {
    int threads;
    live *l;
    live_feature_source features;
    live_hold hold;
    bool held;
    recommend_scratch **scratch; /* (threads) */
    float *scores;               /* (EVAL_BLOCK, k) */
    size_t k, scores_room;
    const dataset *given; /* use the given items of this dataset; NULL: use users */
    size_t *given_start;  /* (users + 1) */
    /* list what is similar to the first given item; otherwise they are a session */
    bool similar;
};

static err_code load(judge *j, const judge_options *o, err *e)
{
    store_info info;
    base *b = NULL;
    live_options lo = {.features = live_stored_features, .ctx = &j->features};
    live_feature_source_init(&j->features, o->s);
    err_code code = live_new(&j->l, &lo, e);
    if (code == ERR_OK) {
        code = o->served ? live_load(o->s, j->l, &info, e)
                         : live_load_judged(o->s, j->l, o->d, &info, e);
    }
    if (code == ERR_OK) {
        unsigned threads = (unsigned)o->threads;
        code = o->served ? base_load(o->s, o->generation, threads, &b, e)
                         : base_load_judged(o->s, o->generation, o->d, threads, &b, e);
    }
    if (code == ERR_OK) {
        code = live_activate(j->l, b, info.seq, e);
    }
    if (code == ERR_OK) {
        live_acquire(j->l, &j->hold);
        j->held = true;
    }
    return code;
}

err_code judge_new(judge **out, const judge_options *o, err *e)
{
    *out = NULL;
    judge *j = mem_array(1, sizeof *j);
    if (j == NULL) {
        return err_nomem(e, "a judgement");
    }
    blas_threads(1);
    j->threads = o->threads;
    j->scratch = mem_array((size_t)o->threads, sizeof(recommend_scratch *));
    err_code code = j->scratch != NULL ? ERR_OK : err_nomem(e, "a judgement");
    for (int t = 0; code == ERR_OK && t < o->threads; t++) {
        code = recommend_scratch_new(&j->scratch[t], e);
    }
    if (code == ERR_OK) {
        code = load(j, o, e);
    }
    if (code != ERR_OK) {
        judge_free(j);
        return code;
    }
    *out = j;
    return ERR_OK;
}

void judge_free(judge *j)
{
    if (j == NULL) {
        return;
    }
    for (int t = 0; j->scratch != NULL && t < j->threads; t++) {
        recommend_scratch_free(j->scratch[t]);
    }
    mem_free(j->scratch);
    mem_free(j->scores);
    mem_free(j->given_start);
    if (j->held) {
        live_release(j->l, &j->hold);
    }
    if (j->l != NULL) {
        live_free(j->l);
        live_feature_source_fini(&j->features);
    }
    mem_free(j);
}

const view *judge_view(const judge *j)
{
    return j->hold.view;
}

const float *judge_scores(const judge *j, size_t index)
{
    return j->scores + index * j->k;
}

static void keep(judge *j, const recommend_result *result, size_t index, uint32_t *rows,
                 size_t *found)
{
    *found = result->count;
    for (size_t i = 0; i < result->count; i++) {
        rows[i] = result->hits[i].row;
        j->scores[index * j->k + i] = result->hits[i].score;
    }
}

static err_code list_one(judge *j, const recommend_query *q, size_t index, uint32_t *rows,
                         size_t *found, err *e)
{
    recommend_result result;
    err_code code = recommend(j->hold.view, q, j->scratch[omp_get_thread_num()], &result, e);
    if (code != ERR_OK) {
        return code;
    }
    keep(j, &result, index, rows, found);
    return ERR_OK;
}

static err_code fit_scores(judge *j, size_t k, err *e)
{
    j->k = k;
    if (EVAL_BLOCK * k <= j->scores_room) {
        return ERR_OK;
    }
    mem_free(j->scores);
    j->scores_room = EVAL_BLOCK * k;
    j->scores = mem_array(j->scores_room, sizeof *j->scores);
    if (j->scores == NULL) {
        j->scores_room = 0;
        return err_nomem(e, "a judgement's scores");
    }
    return ERR_OK;
}

/* list_all makes the list for each query of a block. */
static err_code list_all(judge *j, const recommend_query *queries, size_t count, uint32_t *rows,
                         size_t *found, err *e)
{
    size_t k = j->k;
    err_code failed = ERR_OK;
#pragma omp parallel for schedule(dynamic, 8) num_threads(j->threads)
    for (size_t i = 0; i < count; i++) {
        err own = ERR_INIT;
        if (list_one(j, &queries[i], i, rows + i * k, &found[i], &own) != ERR_OK) {
#pragma omp critical
            failed = err_set(e, own.code, "%s", own.text);
        }
    }
    return failed;
}

static err_code list(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                     size_t *found, err *e)
{
    judge *j = ctx;
    recommend_query queries[EVAL_BLOCK];
    err_code code = fit_scores(j, k, e);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        queries[i] = (recommend_query)RECOMMEND_QUERY_INIT;
        queries[i].user = asks[i].user;
        queries[i].k = k;
        queries[i].exclude = asks[i].exclude;
        queries[i].exclude_count = asks[i].exclude_count;
        queries[i].include_seen = true;
        /* the metrics are those of the model, not of an approximate search */
        queries[i].exact = true;
    }
    return code == ERR_OK ? list_all(j, queries, count, rows, found, e) : code;
}

eval_lister judge_lister(judge *j)
{
    return (eval_lister){list, j};
}

/* list_given_one makes the list for one user's given items. */
static err_code list_given_one(judge *j, const eval_ask *ask, size_t index, uint32_t *rows,
                               size_t *found, err *e)
{
    uint32_t items[GIVEN_MAX];
    session_item session[GIVEN_MAX];
    recommend_result result;
    recommend_scratch *s = j->scratch[omp_get_thread_num()];
    size_t count = given_of(j->given, j->given_start, ask->user, items);
    err_code code = ERR_OK;
    if (j->similar) {
        list_query q = {.k = j->k, .exclude = ask->exclude, .exclude_count = ask->exclude_count};
        code = similar(j->hold.view, items[0], SIMILAR_ALL, &q, s, &result, e);
    } else {
        recommend_query q = RECOMMEND_QUERY_INIT;
        for (size_t i = 0; i < count; i++) {
            session[i] = (session_item){items[i], 1};
        }
        q.nobody = q.exact = true;
        q.session = session;
        q.session_count = count;
        q.k = j->k;
        q.exclude = ask->exclude;
        q.exclude_count = ask->exclude_count;
        code = recommend(j->hold.view, &q, s, &result, e);
    }
    if (code == ERR_OK) {
        keep(j, &result, index, rows + index * j->k, found + index);
    }
    return code;
}

static err_code list_given(void *ctx, const eval_ask *asks, size_t count, size_t k, uint32_t *rows,
                           size_t *found, err *e)
{
    judge *j = ctx;
    err_code failed = fit_scores(j, k, e);
    if (failed != ERR_OK) {
        return failed;
    }
#pragma omp parallel for schedule(dynamic, 8) num_threads(j->threads)
    for (size_t i = 0; i < count; i++) {
        err own = ERR_INIT;
        if (list_given_one(j, &asks[i], i, rows, found, &own) != ERR_OK) {
#pragma omp critical
            failed = err_set(e, own.code, "%s", own.text);
        }
    }
    return failed;
}

err_code judge_lister_given(eval_lister *out, judge *j, const dataset *x, bool similar, err *e)
{
    mem_free(j->given_start);
    j->given = x;
    j->similar = similar;
    j->given_start = mem_array(x->users + 1, sizeof *j->given_start);
    if (j->given_start == NULL) {
        return err_nomem(e, "a judgement");
    }
    pairs_starts(x->valid, x->valid_count, x->users, j->given_start);
    *out = (eval_lister){list_given, j};
    return ERR_OK;
}

err_code judge_answers(judge *j, const uint32_t *users, size_t count, size_t k, uint32_t *rows,
                       size_t *found, err *e)
{
    recommend_query queries[EVAL_BLOCK];
    err_code code = fit_scores(j, k, e);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        queries[i] = (recommend_query)RECOMMEND_QUERY_INIT;
        queries[i].user = users[i];
        queries[i].k = k;
    }
    return code == ERR_OK ? list_all(j, queries, count, rows, found, e) : code;
}
