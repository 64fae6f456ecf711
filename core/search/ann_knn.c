#include "core/search/ann_knn.h"

#include <omp.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/types.h"
#include "core/search/index.h"

enum {
    SAMPLE = 400, /* rows whose neighbours measure the recall */
    STEP = 256,   /* rows that a thread takes at a time */
};

#define RECALL_MIN 0.97F

/* build makes the index, with rows of the table as the sample of queries. */
static err_code build(vector_index **out, const ann_knn_table *t, const ann_knn_options *o, err *e)
{
    size_t count = t->rows < SAMPLE ? t->rows : SAMPLE;
    float *sample = mem_table(count * t->dim, sizeof *sample);
    if (sample == NULL) {
        return err_nomem(e, "a sample of rows");
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(sample + i * t->dim, t->x + i * t->rows / count * t->dim, t->dim * sizeof *sample);
    }
    index_options options = {.kind = INDEX_ANN,
                             .recall_min = o->recall_min > 0 ? o->recall_min : RECALL_MIN,
                             .queries = sample,
                             .query_count = count,
                             .threads = o->threads};
    err_code code = index_new(out, t->x, t->rows, t->dim, &options, e);
    mem_free(sample);
    return code;
}

/* find writes the list of one row. */
static err_code find(const vector_index *ix, size_t row, size_t k, index_scratch *s,
                     ann_knn_lists *out, err *e)
{
    index_query query = {.q = index_data(ix) + row * index_dim(ix), .k = k + 1};
    index_result result = {.count = 0};
    err_code code = index_search(ix, &query, s, &result, e);
    size_t found = 0;
    for (size_t i = 0; i < result.count && found < k && code == ERR_OK; i++) {
        if (result.hits[i].row != row) {
            out->neighbours[row * k + found] = result.hits[i].row;
            if (out->similarity != NULL) {
                out->similarity[row * k + found] = result.hits[i].score;
            }
            found++;
        }
    }
    for (; found < k && code == ERR_OK; found++) {
        out->neighbours[row * k + found] = ROW_NONE;
        if (out->similarity != NULL) {
            out->similarity[row * k + found] = 0;
        }
    }
    return code;
}

static err_code find_step(const vector_index *ix, size_t first, const ann_knn_options *o,
                          index_scratch *s, ann_knn_lists *out, err *e)
{
    if (o->cancelled != NULL && o->cancelled(o->ctx)) {
        return err_set(e, ERR_CANCELLED, "the search for neighbours was asked to stop");
    }
    err_code code = ERR_OK;
    for (size_t row = first; row < first + STEP && row < index_rows(ix) && code == ERR_OK; row++) {
        code = find(ix, row, o->k, s, out, e);
    }
    return code;
}

static err_code find_all(const vector_index *ix, const ann_knn_options *o, ann_knn_lists *out,
                         err *e)
{
    err_code all = ERR_OK;
    size_t rows = index_rows(ix);
#pragma omp parallel num_threads(o->threads > 0 ? (int)o->threads : 1)
    {
        err mine = ERR_INIT;
        index_scratch *s = NULL;
        err_code code = index_scratch_new(&s, &mine);
#pragma omp for schedule(dynamic)
        for (size_t first = 0; first < rows; first += STEP) {
            if (code == ERR_OK) {
                code = find_step(ix, first, o, s, out, &mine);
            }
        }
#pragma omp critical
        if (code != ERR_OK && all == ERR_OK) {
            all = err_set(e, code, "%s", mine.text);
        }
        index_scratch_free(s);
    }
    return all;
}

err_code ann_knn(const ann_knn_table *table, const ann_knn_options *options, ann_knn_lists *out,
                 err *e)
{
    if (options->k < 1 || options->k >= INDEX_K_MAX) {
        return err_set(e, ERR_INVALID, "neighbours: expected 1 to %d, not %zu", INDEX_K_MAX - 1,
                       options->k);
    }
    vector_index *ix = NULL;
    err_code code = build(&ix, table, options, e);
    if (code == ERR_OK) {
        index_stats stats;
        index_stats_get(ix, &stats);
        out->recall = stats.recall;
        code = find_all(ix, options, out, e);
    }
    index_free(ix);
    return code;
}
