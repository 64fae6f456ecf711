/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/ann.h"

#include <math.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/types.h"
#include "core/search/faiss_table.h"
#include "core/search/quantise.h"

enum {
    /* rows for each cluster that FAISS trains on; more did not improve the recall */
    SAMPLE_PER_CLUSTER = 64,
    ROWS_PER_CLUSTER_MIN = 40, /* FAISS warns if there are fewer than 39 */
};

void ann_free(ann *a)
{
    if (a != NULL) {
        mem_free(a->means);
        mem_free(a->spread);
        mem_free(a->first_block);
        mem_free(a->order);
        mem_free(a);
    }
}

/* ann_alloc makes an ann with room for all of it except the order. */
static err_code ann_alloc(ann **out, size_t rows, size_t dim, size_t clusters, err *e)
{
    *out = NULL;
    ann *a = mem_array(1, sizeof *a);
    if (a == NULL) {
        return err_nomem(e, "the index's clusters");
    }
    a->rows = rows;
    a->dim = dim;
    a->clusters = clusters;
    a->means = mem_table(clusters * dim, sizeof *a->means);
    a->spread = mem_array(clusters, sizeof *a->spread);
    a->first_block = mem_array(clusters + 1, sizeof *a->first_block);
    if (a->means == NULL || a->spread == NULL || a->first_block == NULL) {
        ann_free(a);
        return err_nomem(e, "the index's clusters");
    }
    *out = a;
    return ERR_OK;
}

/* train takes every step-th row, so that the sample covers the catalogue evenly. */
static err_code train(const ann *a, const float *x, unsigned threads, err *e)
{
    size_t wanted = a->clusters * SAMPLE_PER_CLUSTER;
    size_t step = a->rows > wanted ? a->rows / wanted : 1;
    faiss_clustering how = {
        .rows = a->rows / step, .dim = a->dim, .clusters = a->clusters, .threads = threads};
    if (step == 1) {
        return faiss_cluster(&how, x, a->means, e);
    }
    float *sample = mem_table(how.rows * a->dim, sizeof *sample);
    if (sample == NULL) {
        return err_nomem(e, "the sample to cluster");
    }
    for (size_t i = 0; i < how.rows; i++) {
        memcpy(sample + i * a->dim, x + i * step * a->dim, a->dim * sizeof *sample);
    }
    err_code code = faiss_cluster(&how, sample, a->means, e);
    mem_free(sample);
    return code;
}

/* lay_out orders the rows by cluster, and by row inside a cluster. Every cluster starts at a new
 * block. */
static err_code lay_out(ann *a, const uint32_t *cluster, err *e)
{
    uint32_t *next = mem_array(a->clusters, sizeof *next);
    if (next == NULL) {
        return err_nomem(e, "the index's clusters");
    }
    for (size_t i = 0; i < a->rows; i++) {
        next[cluster[i]]++;
    }
    for (size_t c = 0; c < a->clusters; c++) {
        uint32_t blocks = (next[c] + QUANTISE_BLOCK - 1) / QUANTISE_BLOCK;
        a->first_block[c + 1] = a->first_block[c] + blocks;
        next[c] = a->first_block[c] * QUANTISE_BLOCK;
    }
    a->places = (size_t)a->first_block[a->clusters] * QUANTISE_BLOCK;
    a->order = mem_array(a->places, sizeof *a->order);
    if (a->order == NULL) {
        mem_free(next);
        return err_nomem(e, "the index's clusters");
    }
    memset(a->order, 0xFF, a->places * sizeof *a->order);
    for (size_t i = 0; i < a->rows; i++) {
        a->order[next[cluster[i]]++] = (uint32_t)i;
    }
    mem_free(next);
    return ERR_OK;
}

/* describe replaces a cluster's direction with the mean of its rows, and measures their spread:
 * mean |x - m|^2 = mean |x|^2 - |m|^2. */
static void describe(ann *a, size_t cluster, const float *x, double *sum /* (dim) */)
{
    size_t first = (size_t)a->first_block[cluster] * QUANTISE_BLOCK;
    size_t end = (size_t)a->first_block[cluster + 1] * QUANTISE_BLOCK;
    size_t count = 0;
    double square = 0, mean_square = 0;
    memset(sum, 0, a->dim * sizeof *sum);
    for (size_t place = first; place < end && a->order[place] != ROW_NONE; place++, count++) {
        const float *row = x + (size_t)a->order[place] * a->dim;
        for (size_t j = 0; j < a->dim; j++) {
            sum[j] += (double)row[j];
            square += (double)row[j] * (double)row[j];
        }
    }
    double share = count > 0 ? 1.0 / (double)count : 0;
    for (size_t j = 0; j < a->dim; j++) {
        double mean = sum[j] * share;
        a->means[cluster * a->dim + j] = (float)mean;
        mean_square += mean * mean;
    }
    a->spread[cluster] = (float)sqrt(fmax(0, square * share - mean_square));
}

static err_code fill(ann *a, const float *x, const ann_options *options, err *e)
{
    faiss_clustering how = {.rows = a->rows,
                            .dim = a->dim,
                            .clusters = a->clusters,
                            .threads = options->threads > 0 ? options->threads : 1};
    uint32_t *cluster = mem_array(a->rows, sizeof *cluster);
    double *sum = mem_array(a->dim, sizeof *sum);
    err_code code = cluster == NULL || sum == NULL ? err_nomem(e, "the index's clusters") : ERR_OK;
    if (code == ERR_OK && a->clusters > 1) {
        code = train(a, x, how.threads, e);
        if (code == ERR_OK) {
            code = faiss_assign(&how, x, a->means, cluster, e);
        }
    }
    if (code == ERR_OK) {
        code = lay_out(a, cluster, e);
    }
    for (size_t c = 0; c < a->clusters && code == ERR_OK; c++) {
        describe(a, c, x, sum);
    }
    mem_free(cluster);
    mem_free(sum);
    return code;
}

err_code ann_new(ann **out, const float *x, size_t rows, size_t dim, const ann_options *options,
                 err *e)
{
    *out = NULL;
    size_t clusters = options->clusters > 0 ? options->clusters : (size_t)(2 * sqrt((double)rows));
    size_t most = rows / ROWS_PER_CLUSTER_MIN;
    clusters = clusters > most ? most : clusters;
    clusters = clusters < 1 ? 1 : clusters;
    ann *a = NULL;
    err_code code = ann_alloc(&a, rows, dim, clusters, e);
    if (code == ERR_OK) {
        code = fill(a, x, options, e);
    }
    if (code != ERR_OK) {
        ann_free(a);
        return code;
    }
    *out = a;
    return ERR_OK;
}

/* The encoded form, little-endian: a header of eight 64-bit numbers, the means, the spreads, the
 * number of rows in each cluster, and the rows in their order without the empty places. */
#define ANN_MAGIC 0x316e6e6172696174U

enum {
    HEAD_MAGIC,
    HEAD_ROWS,
    HEAD_DIM,
    HEAD_CLUSTERS,
    HEAD_READ,
    HEAD_RECALL_PPM,
    HEAD_BYTES,
    HEAD_COUNT = 8
};

static size_t encoded_bytes(size_t rows, size_t dim, size_t clusters)
{
    return HEAD_COUNT * sizeof(uint64_t) +
           (clusters * dim + clusters + clusters + rows) * sizeof(uint32_t);
}

static char *append(char *at, const void *from, size_t bytes)
{
    memcpy(at, from, bytes);
    return at + bytes;
}

err_code ann_encode(const ann *a, void **bytes, size_t *count, err *e)
{
    *count = encoded_bytes(a->rows, a->dim, a->clusters);
    *bytes = mem_array(*count, 1);
    if (*bytes == NULL) {
        return err_nomem(e, "the index's clusters");
    }
    uint64_t head[HEAD_COUNT] = {ANN_MAGIC,   a->rows,   a->dim,
                                 a->clusters, a->nprobe, (uint64_t)((double)a->recall * 1e6),
                                 *count};
    char *at = append(*bytes, head, sizeof head);
    at = append(at, a->means, a->clusters * a->dim * sizeof *a->means);
    at = append(at, a->spread, a->clusters * sizeof *a->spread);
    char *sizes = at;
    at += a->clusters * sizeof(uint32_t);
    for (size_t c = 0; c < a->clusters; c++) {
        size_t first = (size_t)a->first_block[c] * QUANTISE_BLOCK;
        size_t end = (size_t)a->first_block[c + 1] * QUANTISE_BLOCK;
        uint32_t rows = 0;
        while (first + rows < end && a->order[first + rows] != ROW_NONE) {
            rows++;
        }
        sizes = append(sizes, &rows, sizeof rows);
        at = append(at, a->order + first, rows * sizeof *a->order);
    }
    return ERR_OK;
}

/* number_at reads a number at any address. */
static uint32_t number_at(const char *from, size_t at)
{
    uint32_t number;
    memcpy(&number, from + at * sizeof number, sizeof number);
    return number;
}

/* take_rows reads the sizes and the order, and checks that every row occurs once. */
static err_code take_rows(ann *a, const char *sizes, const char *rows, err *e)
{
    size_t total = 0;
    for (size_t c = 0; c < a->clusters; c++) {
        uint32_t size = number_at(sizes, c);
        total += size;
        if (total > a->rows) {
            return err_set(e, ERR_CORRUPT, "clusters: more rows than %zu", a->rows);
        }
        a->first_block[c + 1] = a->first_block[c] + (size + QUANTISE_BLOCK - 1) / QUANTISE_BLOCK;
    }
    a->places = (size_t)a->first_block[a->clusters] * QUANTISE_BLOCK;
    a->order = mem_array(a->places, sizeof *a->order);
    uint8_t *seen = mem_array(a->rows, 1);
    if (a->order == NULL || seen == NULL) {
        mem_free(seen);
        return err_nomem(e, "the index's clusters");
    }
    memset(a->order, 0xFF, a->places * sizeof *a->order);
    err_code code = total == a->rows ? ERR_OK
                                     : err_set(e, ERR_CORRUPT, "clusters: %zu rows, expected %zu",
                                               total, a->rows);
    for (size_t c = 0, at = 0; c < a->clusters && code == ERR_OK; c++) {
        uint32_t *place = a->order + (size_t)a->first_block[c] * QUANTISE_BLOCK;
        for (uint32_t left = number_at(sizes, c); left > 0; left--, at++) {
            uint32_t row = number_at(rows, at);
            if (row >= a->rows || seen[row]++ != 0) {
                code = err_set(e, ERR_CORRUPT, "clusters: row %u is out of range or repeated", row);
                break;
            }
            *place++ = row;
        }
    }
    mem_free(seen);
    return code;
}

static err_code check_head(const uint64_t *head, size_t count, err *e)
{
    uint64_t rows = head[HEAD_ROWS], dim = head[HEAD_DIM], clusters = head[HEAD_CLUSTERS];
    if (head[HEAD_MAGIC] != ANN_MAGIC) {
        return err_set(e, ERR_CORRUPT,
                       "clusters: the bytes do not begin with the mark of an index");
    }
    if (rows == 0 || rows > INT32_MAX || dim == 0 || dim > UINT16_MAX || clusters == 0 ||
        clusters > rows || head[HEAD_READ] == 0 || head[HEAD_READ] > clusters ||
        head[HEAD_RECALL_PPM] > 1000000) {
        return err_set(e, ERR_CORRUPT, "clusters: a number is out of range");
    }
    if (head[HEAD_BYTES] != count || encoded_bytes(rows, dim, clusters) != count) {
        return err_set(e, ERR_CORRUPT, "clusters: %zu bytes, expected %zu", count,
                       encoded_bytes(rows, dim, clusters));
    }
    return ERR_OK;
}

err_code ann_decode(ann **out, const void *bytes, size_t count, err *e)
{
    *out = NULL;
    uint64_t head[HEAD_COUNT];
    if (count < sizeof head) {
        return err_set(e, ERR_CORRUPT, "clusters: %zu bytes, expected at least %zu", count,
                       sizeof head);
    }
    memcpy(head, bytes, sizeof head);
    err_code code = check_head(head, count, e);
    if (code != ERR_OK) {
        return code;
    }
    ann *a = NULL;
    code = ann_alloc(&a, head[HEAD_ROWS], head[HEAD_DIM], head[HEAD_CLUSTERS], e);
    if (code != ERR_OK) {
        return code;
    }
    a->nprobe = head[HEAD_READ];
    a->recall = (float)((double)head[HEAD_RECALL_PPM] / 1e6);
    const char *at = (const char *)bytes + sizeof head;
    size_t means = a->clusters * a->dim * sizeof *a->means;
    memcpy(a->means, at, means);
    memcpy(a->spread, at + means, a->clusters * sizeof *a->spread);
    const char *sizes = at + means + a->clusters * sizeof *a->spread;
    code = take_rows(a, sizes, sizes + a->clusters * sizeof(uint32_t), e);
    if (code != ERR_OK) {
        ann_free(a);
        return code;
    }
    *out = a;
    return ERR_OK;
}
