/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index: maximum inner product search over the items' vectors.
 *
 * The index owns a FAISS IndexFlatIP, which holds the only copy of the vectors in float; index_data
 * borrows FAISS's memory. Searches run our own kernels over that memory: they skip hidden, seen and
 * filtered-out rows, and break ties by a fixed rule. (Debian's FAISS is also built without AVX.)
 *
 * Larger tables also have 8-bit codes with a bound on every row's error. A first pass over the
 * codes, a quarter of the bytes, drops rows that provably cannot be in the list. The remaining rows
 * are scored from the floats, so the answer is exact. Still larger tables are also clustered by
 * FAISS: a search that need not be exact reads only the nearest clusters.
 *
 * Invariants:
 *   - core/search/scan.h computes all scores, whatever the path;
 *   - the order is by score, then by lower row;
 *   - a list is shorter than k only if there are fewer candidates;
 *   - `exact` in a result is true only if a full scan would give the same list.
 *
 * Immutable after index_new, so any number of threads may search; one thread at a time uses a
 * scratch.
 */
#ifndef CORE_INDEX_H
#define CORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/search/quantise.h"
#include "core/search/scan.h"
#include "core/search/topk.h"

/* Not called `index`, which is a function of <strings.h>. */
typedef struct vector_index vector_index;
typedef struct index_scratch index_scratch;

/* Limits. */
enum { INDEX_DIM_MAX = 4096, INDEX_K_MAX = 65536 };

typedef enum index_kind {
    INDEX_AUTO = 0, /* chosen by the number of rows */
    INDEX_FLOAT,    /* one pass over the floats */
    INDEX_INT8,     /* 8-bit first pass, exact result */
    INDEX_ANN,      /* INDEX_INT8 in clusters; a search reads some of them */
} index_kind;

typedef struct index_options {
    index_kind kind;
    /* The result of index_encode for the same vectors, which saves the clustering; or NULL. */
    const void *ann;
    size_t ann_bytes;
    /* INDEX_AUTO uses clusters from this many rows; 0 means INDEX_ANN_ROWS_MIN */
    size_t ann_rows_min;
    /* Mean recall of the first 20 hits that INDEX_ANN must reach; 0 means INDEX_RECALL_MIN. It
     * decides how many clusters a search reads. */
    float recall_min;
    /* Vectors that resemble future queries, for measuring recall. NULL: means of random rows are
     * used. */
    const float *queries; /* (query_count, dim) */
    size_t query_count;
    unsigned threads; /* for building; 0 means one */
    uint64_t seed;
} index_options;

#define INDEX_ANN_ROWS_MIN 200000
#define INDEX_RECALL_MIN   0.995F

/* index_read writes rows [first, first + count) to out. */
typedef err_code (*index_read)(void *ctx, size_t first, size_t count, float *out, err *e);

/* index_new copies the vectors and builds the index. NULL options are the defaults. It refuses NaN
 * and infinity. Clustering takes seconds for a million rows. rows can be 0. */
err_code index_new(vector_index **out, const float *x /* (rows, dim) */, size_t rows, size_t dim,
                   const index_options *options, err *e) ERR_CHECKED;

/* A source from which index_new_read reads rows, in order, piece by piece. */
typedef struct index_source {
    size_t rows, dim;
    index_read read;
    void *ctx;
} index_source;

/* index_new_read is index_new for a table that is not in memory as a whole: rows are read directly
 * into FAISS's memory, so there is never a second copy. */
err_code index_new_read(vector_index **out, const index_source *source,
                        const index_options *options, err *e) ERR_CHECKED;

void index_free(vector_index *ix);

/* index_data borrows the vectors until index_free; NULL if there are none. */
const float *index_data(const vector_index *ix) /* (rows, dim) */;
size_t index_rows(const vector_index *ix);
size_t index_dim(const vector_index *ix);

typedef struct index_stats {
    index_kind kind; /* never INDEX_AUTO */
    size_t clusters; /* 0 unless INDEX_ANN */
    size_t nprobe;   /* clusters read by a search without `exact` and filter */
    /* mean recall of the first 20 hits with that nprobe, measured when built; 1 if exact */
    float recall;
    size_t bytes; /* memory, including the vectors */
} index_stats;

void index_stats_get(const vector_index *ix, index_stats *out);

err_code index_scratch_new(index_scratch **out, err *e) ERR_CHECKED;
void index_scratch_free(index_scratch *s);

typedef struct index_query {
    const float *q;         /* (dim), finite */
    size_t k;               /* 1 .. INDEX_K_MAX */
    const uint64_t *skip;   /* bitmap by row as in core/search/scan.h, 1 = no candidate, or NULL */
    bool exact;             /* do not use the approximate search */
    const float *threshold; /* rows with a lower score may be left out; or NULL */
    /* added to the inner products; or NULL. Only if index_takes_extra */
    const scan_extra *extra;
} index_query;

/* Borrowed from the scratch until its next use. */
typedef struct index_result {
    const topk_hit *hits; /* (count) best first */
    size_t count;
    bool exact;
} index_result;

/* index_takes_extra tells whether queries may have `extra`: all tables but clustered ones, because
 * clusters are chosen by inner product. */
bool index_takes_extra(const vector_index *ix);

/* index_search fails only if a query is out of range (ERR_INVALID) or memory runs out. Once a
 * scratch has been used with an index and a k, searching allocates nothing. */
err_code index_search(const vector_index *ix, const index_query *query, index_scratch *s,
                      index_result *out, err *e) ERR_CHECKED;

/* index_search_many answers `count` queries. Where that is faster, it reads the table once for
 * several of them. Each result is the same as that of index_search. results has room for count. */
err_code index_search_many(const vector_index *ix, const index_query *queries, size_t count,
                           index_scratch *s, index_result *results /* (count) */,
                           err *e) ERR_CHECKED;

/* index_estimate is codes_estimate over the index's codes. It is several times faster than exact
 * scores, and its error is at most about a hundredth of |x| |q|. Only for an INDEX_INT8 in which
 * row i is at place i. Thread-safe. */
void index_estimate(const vector_index *ix, const codes_query *const *queries, size_t count,
                    codes_part part, float *out /* (count, blocks * QUANTISE_BLOCK) */);

/* index_encode returns the clustering as bytes to store with the vectors, to be freed with
 * mem_free. For an index without clusters it returns NULL and 0. */
err_code index_encode(const vector_index *ix, void **bytes, size_t *count, err *e) ERR_CHECKED;

#endif
