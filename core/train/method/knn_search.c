/* SPDX-License-Identifier: Apache-2.0 */
/* knn_search: chooses between the exact and the approximate search, and does the approximate one.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/types.h"
#include "core/search/index.h"
#include "core/train/method/knn.h"

typedef struct rows {
    const feature_source *source;
    unsigned char *live; /* (rows) the row is neither missing nor zero */
} rows;

static void normalise(float *x, size_t width, unsigned char *live)
{
    double square = 0;
    for (size_t j = 0; j < width; j++) {
        square += (double)x[j] * (double)x[j];
    }
    *live = isfinite(square) && square > 0;
    double factor = *live ? 1 / sqrt(square) : 0;
    for (size_t j = 0; j < width; j++) {
        x[j] = *live ? (float)((double)x[j] * factor) : 0;
    }
}

static err_code read_normalised(void *ctx, size_t first, size_t count, float *out, err *e)
{
    rows *r = ctx;
    size_t width = r->source->width;
    err_code code = r->source->read(r->source->ctx, first, count, out, e);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        normalise(out + i * width, width, &r->live[first + i]);
    }
    return code;
}

typedef struct job {
    const knn_options *o;
    const vector_index *index;
    const rows *from;
    const uint64_t *skip; /* bitmap of rows that are not live */
    uint32_t *found;
    float *similarity; /* filled likewise, or NULL */
} job;

/* search_row searches one neighbour more than wanted and leaves r out, because row r finds itself,
 * first or among its equals. */
static err_code search_row(const job *j, size_t r, index_scratch *scratch, err *e)
{
    size_t k = j->o->k, n = 0;
    index_query q = {.q = index_data(j->index) + r * index_dim(j->index), .k = k + 1};
    index_result result;
    q.skip = j->skip;
    err_code code = index_search(j->index, &q, scratch, &result, e);
    for (size_t i = 0; code == ERR_OK && i < result.count && n < k; i++) {
        if (result.hits[i].row != r) {
            j->found[r * k + n] = result.hits[i].row;
            if (j->similarity != NULL) {
                j->similarity[r * k + n] = result.hits[i].score;
            }
            n++;
        }
    }
    return code;
}

static err_code search_rows(const job *j, err *e)
{
    err_code failed = ERR_OK;
    bool stop = false;
    size_t count = index_rows(j->index);
#pragma omp parallel num_threads(j->o->threads)
    {
        err own = ERR_INIT;
        index_scratch *scratch = NULL;
        err_code code = index_scratch_new(&scratch, &own);
#pragma omp for schedule(dynamic, 64)
        for (size_t r = 0; r < count; r++) {
            bool leave;
#pragma omp atomic read
            leave = stop;
            if (code == ERR_OK && !leave && j->from->live[r]) {
                code = search_row(j, r, scratch, &own);
            }
            if (r % 1024 == 0 && j->o->cancelled != NULL && !leave && j->o->cancelled(j->o->ctx)) {
#pragma omp atomic write
                stop = true;
            }
        }
        index_scratch_free(scratch);
        if (code != ERR_OK) {
#pragma omp critical
            failed = err_set(e, code, "%s", own.text);
        }
    }
    if (failed == ERR_OK && stop) {
        failed = err_set(e, ERR_CANCELLED, "the search for neighbours was stopped");
    }
    return failed;
}

/* sample_rows takes rows evenly from all. They are the queries on which recall is measured. */
static err_code sample_rows(rows *from, float **out, size_t count, err *e)
{
    size_t total = from->source->rows, width = from->source->width;
    float *sample = mem_table(count * width, sizeof *sample);
    err_code code = sample == NULL ? err_nomem(e, "a sample of rows") : ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        code = read_normalised(from, i * total / count, 1, sample + i * width, e);
    }
    *out = sample;
    return code;
}

static err_code build(vector_index **out, rows *from, const knn_options *o, err *e)
{
    enum { SAMPLE = 400 };
    size_t total = from->source->rows, count = total < SAMPLE ? total : SAMPLE;
    float *sample = NULL;
    err_code code = sample_rows(from, &sample, count, e);
    if (code == ERR_OK) {
        index_source source = {total, from->source->width, read_normalised, from};
        index_options options = {.kind = INDEX_ANN,
                                 .recall_min =
                                     (float)(o->recall_min > 0 ? o->recall_min : KNN_RECALL_MIN),
                                 .queries = sample,
                                 .query_count = count,
                                 .threads = (unsigned)o->threads,
                                 .seed = o->seed};
        code = index_new_read(out, &source, &options, e);
    }
    mem_free(sample);
    return code;
}

/* clusters_save tells whether reading clusters is faster than the exact search, which is a series
 * of large matrix products. For a million rows of 64 numbers that takes as long as scanning a
 * seventh to a fifth of the table for every row. If more than an eighth of the clusters must be
 * read, the exact search is about as fast, and misses nothing. */
static bool clusters_save(const vector_index *index)
{
    enum { PRODUCT_GAIN = 8 };
    index_stats stats;
    index_stats_get(index, &stats);
    return stats.nprobe * PRODUCT_GAIN < stats.clusters;
}

static err_code search_clusters(const vector_index *index, const rows *from, const knn_options *o,
                                uint32_t *found, float *similarity, err *e)
{
    size_t count = from->source->rows;
    uint64_t *skip = mem_array(bits_words(count), sizeof *skip);
    if (skip == NULL) {
        return err_nomem(e, "the search for neighbours");
    }
    for (size_t r = 0; r < count; r++) {
        bits_set_if(skip, r, !from->live[r]);
    }
    memset(found, 0xff, count * o->k * sizeof *found);
    job j = {o, index, from, skip, found, similarity};
    err_code code = search_rows(&j, e);
    mem_free(skip);
    return code;
}

err_code knn_search(const feature_source *source, const knn_options *o, uint32_t *found,
                    float *similarity, err *e)
{
    size_t most = o->exact_rows_max > 0 ? o->exact_rows_max : KNN_EXACT_ROWS_MAX;
    if (source->rows <= most || source->width > INDEX_DIM_MAX || o->k == 0) {
        return knn_exact(source, o, found, similarity, e);
    }
    vector_index *index = NULL;
    rows from = {source, mem_array(source->rows, 1)};
    err_code code =
        from.live == NULL ? err_nomem(e, "the search for neighbours") : build(&index, &from, o, e);
    bool saves = code == ERR_OK && clusters_save(index);
    if (saves) {
        code = search_clusters(index, &from, o, found, similarity, e);
    }
    index_free(index);
    mem_free(from.live);
    return code != ERR_OK || saves ? code : knn_exact(source, o, found, similarity, e);
}
