/* SPDX-License-Identifier: Apache-2.0 */
/* index: decides which parts an index has and builds them. core/search/index_search.c searches
 * it. */
#include "core/search/index.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/common/types.h"
#include "core/search/index_parts.h"
#include "core/search/scan.h"

enum {
    READ_ROWS = 16384,    /* rows read from a source at a time */
    FLOAT_ROWS_MAX = 512, /* up to this many rows, codes cost more than they save */
    RECALL_DEPTH = 20,    /* length of the lists on which recall is measured */
    RECALL_QUERIES = 200, /* how many queries measure the recall, at most */
    RECALL_MIX_MAX = 8,   /* the most rows whose mean is used as a query */
};

void index_free(vector_index *ix)
{
    if (ix != NULL) {
        faiss_table_free(ix->table);
        codes_free(ix->codes);
        ann_free(ix->ann);
        mem_free(ix);
    }
}

/* check_rows refuses rows that a search could not order. */
static err_code check_rows(const float *x, size_t first, size_t count, size_t dim, err *e)
{
    for (size_t i = 0; i < count; i++) {
        const float *row = x + i * dim;
        double square = (double)scan_dot(row, row, dim);
        if (!(square <= QUANTISE_NORM_MAX * QUANTISE_NORM_MAX)) {
            return err_set(e, ERR_INVALID, "vector %zu: expected finite numbers of norm up to %g",
                           first + i, QUANTISE_NORM_MAX);
        }
    }
    return ERR_OK;
}

static err_code read_rows(float *x, const index_source *source, err *e)
{
    for (size_t at = 0; at < source->rows; at += READ_ROWS) {
        size_t count = source->rows - at < READ_ROWS ? source->rows - at : READ_ROWS;
        float *out = x + at * source->dim;
        err_code code = source->read(source->ctx, at, count, out, e);
        if (code == ERR_OK) {
            code = check_rows(out, at, count, source->dim, e);
        }
        if (code != ERR_OK) {
            return code;
        }
    }
    return ERR_OK;
}

static index_kind choose_kind(size_t rows, const index_options *o)
{
    size_t ann_min = o->ann_rows_min > 0 ? o->ann_rows_min : INDEX_ANN_ROWS_MIN;
    if (rows == 0) {
        return INDEX_FLOAT;
    }
    if (o->kind != INDEX_AUTO) {
        return o->kind;
    }
    if (o->ann != NULL || rows >= ann_min) {
        return INDEX_ANN;
    }
    /* without instructions for byte products, codes are no faster than floats */
    bool codes_pay = rows > FLOAT_ROWS_MAX && codes_kernel_best() != CODES_PORTABLE;
    return codes_pay ? INDEX_INT8 : INDEX_FLOAT;
}

/* sample_query makes a query that resembles a user's: the mean of a few rows. */
static void sample_query(const vector_index *ix, rng *r, float *q /* (dim) */)
{
    uint32_t mix = 1 + rng_below(r, RECALL_MIX_MAX);
    memset(q, 0, ix->dim * sizeof *q);
    for (uint32_t m = 0; m < mix; m++) {
        const float *row = ix->x + (size_t)rng_below(r, (uint32_t)ix->rows) * ix->dim;
        for (size_t j = 0; j < ix->dim; j++) {
            q[j] += row[j] / (float)mix;
        }
    }
}

/* cluster_of writes the cluster of every row. */
static void cluster_of(const ann *a, uint32_t *cluster /* (rows) */)
{
    for (size_t c = 0; c < a->clusters; c++) {
        for (size_t p = (size_t)a->first_block[c] * QUANTISE_BLOCK;
             p < (size_t)a->first_block[c + 1] * QUANTISE_BLOCK; p++) {
            if (a->order[p] != ROW_NONE) {
                cluster[a->order[p]] = (uint32_t)c;
            }
        }
    }
}

/* For sampled queries: how often a true hit lies in the cluster that the query ranks first, second
 * and so on. */
typedef struct depths {
    uint32_t *cluster; /* (rows) */
    size_t *found;     /* (clusters) hits in clusters of this rank */
    size_t *rank;      /* (clusters) ranks for one query */
    float *q;          /* (dim) */
    size_t total;
} depths;

static err_code count_depths(const vector_index *ix, const float *q, index_scratch *s, depths *d,
                             err *e)
{
    index_query query = {.q = q, .k = RECALL_DEPTH, .exact = true};
    index_result result;
    err_code code = index_search(ix, &query, s, &result, e);
    if (code != ERR_OK) {
        return code;
    }
    const topk_hit *ranked = index_rank_clusters(ix, q, ix->ann->clusters, s);
    for (size_t r = 0; r < ix->ann->clusters; r++) {
        d->rank[ranked[r].row] = r;
    }
    for (size_t h = 0; h < result.count; h++) {
        d->found[d->rank[d->cluster[result.hits[h].row]]]++;
        d->total++;
    }
    return ERR_OK;
}

/* choose_read sets the smallest number of clusters that contain enough of the hits. */
static void choose_read(ann *a, const depths *d, float recall_min)
{
    size_t within = 0;
    a->nprobe = 0;
    while (a->nprobe < a->clusters) {
        within += d->found[a->nprobe++];
        if ((double)within >= (double)recall_min * (double)d->total) {
            break;
        }
    }
    a->recall = d->total > 0 ? (float)((double)within / (double)d->total) : 1;
}

/* measure runs the sampled queries exactly, and sets how many clusters a search reads. */
static err_code measure(vector_index *ix, const index_options *o, err *e)
{
    index_scratch *s = NULL;
    depths d = {.cluster = mem_array(ix->rows, sizeof *d.cluster),
                .found = mem_array(ix->ann->clusters, sizeof *d.found),
                .rank = mem_array(ix->ann->clusters, sizeof *d.rank),
                .q = mem_array(ix->dim, sizeof *d.q)};
    err_code code = ERR_OK;
    if (d.cluster == NULL || d.found == NULL || d.rank == NULL || d.q == NULL) {
        code = err_nomem(e, "measuring recall");
    }
    if (code == ERR_OK) {
        cluster_of(ix->ann, d.cluster);
        ix->ann->nprobe = ix->ann->clusters;
        code = index_scratch_new(&s, e);
    }
    rng r;
    rng_init(&r, o->seed, 0);
    size_t given = o->queries != NULL ? o->query_count : 0;
    size_t count = given > 0 && given < RECALL_QUERIES ? given : RECALL_QUERIES;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        if (given > 0) {
            memcpy(d.q, o->queries + i * given / count * ix->dim, ix->dim * sizeof *d.q);
        } else {
            sample_query(ix, &r, d.q);
        }
        code = count_depths(ix, d.q, s, &d, e);
    }
    if (code == ERR_OK) {
        choose_read(ix->ann, &d, o->recall_min > 0 ? o->recall_min : INDEX_RECALL_MIN);
    }
    index_scratch_free(s);
    mem_free(d.cluster);
    mem_free(d.found);
    mem_free(d.rank);
    mem_free(d.q);
    return code;
}

static err_code take_clusters(vector_index *ix, const index_options *o, err *e)
{
    if (o->ann == NULL) {
        ann_options how = {.threads = o->threads};
        return ann_new(&ix->ann, ix->x, ix->rows, ix->dim, &how, e);
    }
    err_code code = ann_decode(&ix->ann, o->ann, o->ann_bytes, e);
    if (code == ERR_OK && (ix->ann->rows != ix->rows || ix->ann->dim != ix->dim)) {
        code =
            err_set(e, ERR_CORRUPT, "clusters: made for %zu vectors of %zu numbers, not %zu of %zu",
                    ix->ann->rows, ix->ann->dim, ix->rows, ix->dim);
    }
    return code;
}

static err_code build(vector_index *ix, const index_options *o, err *e)
{
    err_code code = ix->kind == INDEX_ANN ? take_clusters(ix, o, e) : ERR_OK;
    if (code == ERR_OK && ix->kind != INDEX_FLOAT) {
        codes_layout layout = {.rows = ix->rows,
                               .dim = ix->dim,
                               .order = ix->ann != NULL ? ix->ann->order : NULL,
                               .places = ix->ann != NULL ? ix->ann->places : ix->rows,
                               .kernel = codes_kernel_best()};
        code = codes_new(&ix->codes, ix->x, &layout, e);
    }
    if (code == ERR_OK && ix->ann != NULL && ix->ann->nprobe == 0) {
        code = measure(ix, o, e);
    }
    return code;
}

err_code index_new_read(vector_index **out, const index_source *source,
                        const index_options *options, err *e)
{
    static const index_options defaults;
    const index_options *o = options != NULL ? options : &defaults;
    *out = NULL;
    if (source->dim == 0 || source->dim > INDEX_DIM_MAX || source->rows > INT32_MAX) {
        return err_set(e, ERR_INVALID,
                       "expected up to %d vectors of 1 to %d numbers, not %zu of %zu", INT32_MAX,
                       INDEX_DIM_MAX, source->rows, source->dim);
    }
    vector_index *ix = mem_array(1, sizeof *ix);
    if (ix == NULL) {
        return err_nomem(e, "the index");
    }
    ix->rows = source->rows;
    ix->dim = source->dim;
    ix->kind = choose_kind(ix->rows, o);
    float *x = NULL;
    err_code code = faiss_table_new(&ix->table, &x, ix->rows, ix->dim, e);
    if (code == ERR_OK) {
        ix->x = x;
        code = read_rows(x, source, e);
    }
    if (code == ERR_OK) {
        code = build(ix, o, e);
    }
    if (code != ERR_OK) {
        index_free(ix);
        return code;
    }
    *out = ix;
    return ERR_OK;
}

/* A table in memory, as a source. */
typedef struct memory_table {
    const float *x; /* (any, dim) */
    size_t dim;
} memory_table;

static err_code read_memory(void *ctx, size_t first, size_t count, float *out, err *e)
{
    (void)e;
    const memory_table *from = ctx;
    memcpy(out, from->x + first * from->dim, count * from->dim * sizeof *out);
    return ERR_OK;
}

err_code index_new(vector_index **out, const float *x, size_t rows, size_t dim,
                   const index_options *options, err *e)
{
    memory_table from = {x, dim};
    index_source source = {.rows = rows, .dim = dim, .read = read_memory, .ctx = &from};
    return index_new_read(out, &source, options, e);
}

const float *index_data(const vector_index *ix)
{
    return ix->x;
}

size_t index_rows(const vector_index *ix)
{
    return ix->rows;
}

size_t index_dim(const vector_index *ix)
{
    return ix->dim;
}

void index_stats_get(const vector_index *ix, index_stats *out)
{
    *out = (index_stats){.kind = ix->kind, .recall = 1};
    out->bytes = sizeof *ix + ix->rows * ix->dim * sizeof *ix->x;
    if (ix->codes != NULL) {
        out->bytes += codes_bytes(ix->codes);
    }
    if (ix->ann != NULL) {
        out->clusters = ix->ann->clusters;
        out->nprobe = ix->ann->nprobe;
        out->recall = ix->ann->recall;
        out->bytes +=
            ix->ann->clusters * (ix->dim + 2) * sizeof(float) + ix->ann->places * sizeof(uint32_t);
    }
}

void index_estimate(const vector_index *ix, const codes_query *const *queries, size_t count,
                    codes_part part, float *out)
{
    assert(ix->codes != NULL && ix->ann == NULL);
    codes_estimate(ix->codes, queries, count, part, out);
}

err_code index_encode(const vector_index *ix, void **bytes, size_t *count, err *e)
{
    *bytes = NULL;
    *count = 0;
    return ix->ann != NULL ? ann_encode(ix->ann, bytes, count, e) : ERR_OK;
}
