/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/recall_sample.h"

#include "core/common/mem.h"
#include "core/serve/query/recommend.h"

enum { SAMPLE_K = 20 };

struct recall_sample {
    metric_series *recall;
    recommend_scratch *scratch;
    uint32_t user; /* row of the next user to sample */
};

static const metric_info info_recall = {.name = "stair_ann_sampled_recall",
                                        .help =
                                            "Recall of the index: the share of the exact best 20 "
                                            "that it finds, measured on a sample of queries.",
                                        .kind = METRIC_GAUGE};

err_code recall_sample_new(recall_sample **out, metrics *m, err *e)
{
    *out = NULL;
    recall_sample *r = mem_array(1, sizeof *r);
    if (r == NULL) {
        return err_nomem(e, "the sampling of recall");
    }
    const metric_plain all[] = {{&info_recall, &r->recall}};
    err_code code = metrics_add_plain(m, all, 1, e);
    if (code == ERR_OK) {
        metric_set(r->recall, 1);
        code = recommend_scratch_new(&r->scratch, e);
    }
    if (code != ERR_OK) {
        recall_sample_free(r);
        return code;
    }
    *out = r;
    return ERR_OK;
}

void recall_sample_free(recall_sample *r)
{
    if (r != NULL) {
        recommend_scratch_free(r->scratch);
        mem_free(r);
    }
}

static size_t in_both(const uint32_t *rows, size_t count, const recommend_result *exact)
{
    size_t same = 0;
    for (size_t i = 0; i < exact->count; i++) {
        for (size_t j = 0; j < count; j++) {
            same += rows[j] == exact->hits[i].row ? 1 : 0;
        }
    }
    return same;
}

void recall_sample_next(recall_sample *r, live *l)
{
    live_hold hold;
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result found;
    uint32_t rows[SAMPLE_K];
    err e = ERR_INIT;
    live_acquire(l, &hold);
    size_t users = view_user_rows(hold.view);
    q.k = SAMPLE_K;
    q.user = users > 0 ? r->user++ % (uint32_t)users : ROW_NONE;
    if (users > 0 && recommend(hold.view, &q, r->scratch, &found, &e) == ERR_OK && !found.exact) {
        size_t count = found.count;
        for (size_t i = 0; i < count; i++) {
            rows[i] = found.hits[i].row;
        }
        q.exact = true;
        if (recommend(hold.view, &q, r->scratch, &found, &e) == ERR_OK && found.count > 0) {
            metric_set(r->recall, (double)in_both(rows, count, &found) / (double)found.count);
        }
    } else if (e.code == ERR_OK) {
        metric_set(r->recall, 1);
    }
    live_release(l, &hold);
}
