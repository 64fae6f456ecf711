/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_parts: the parts of an index. Private to core/search/index.c, which builds them, and
 * core/search/index_search.c, which reads them.
 */
#ifndef CORE_INDEX_PARTS_H
#define CORE_INDEX_PARTS_H

#include "core/search/ann.h"
#include "core/search/faiss_table.h"
#include "core/search/index.h"
#include "core/search/kth.h"
#include "core/search/quantise.h"

struct vector_index {
    size_t rows, dim;
    index_kind kind;
    faiss_table *table;
    const float *x; /* (rows, dim) in the table's memory */
    codes *codes;   /* NULL for INDEX_FLOAT; places are rows, or in the clusters' order */
    ann *ann;       /* NULL unless INDEX_ANN */
};

/* A row that may be in the list: its score is at most `upper`. */
typedef struct candidate {
    uint32_t row;
    float upper;
} candidate;

/* The state of one query. Bounds and threshold are in the units of its codes. */
typedef struct search {
    const vector_index *ix;
    const index_query *query;
    topk best;             /* real scores */
    kth bounds;            /* lower bounds: the list is sure to reach the k-th largest */
    candidate *candidates; /* (candidates_max) not scored yet */
    size_t candidate_count;
    codes_query code;
    size_t allowed;  /* rows that may be listed */
    float threshold; /* every row of the list reaches it; at first the query's threshold, or -inf */
    bool scans;      /* it still needs a scan of all codes */
    bool exact;
} search;

struct index_scratch {
    search *searches; /* (searches_max) */
    size_t searches_max;
    topk_hit *hits; /* (hits_max) the lists, one after the other */
    size_t hits_max;
    float *kth; /* (kth_max) the bounds */
    size_t kth_max;
    candidate *candidates; /* (candidates_max) */
    size_t candidates_max;
    int8_t *code; /* (code_max) the queries' codes */
    size_t code_max;
    topk_hit *clusters;    /* (clusters_max) */
    float *cluster_scores; /* (clusters_max) */
    size_t clusters_max;
};

/* index_rank_clusters returns the `count` clusters that are most promising for q, best first,
 * borrowed from the scratch. The scratch must have searched this index before. Only with an ann. */
const topk_hit *index_rank_clusters(const vector_index *ix, const float *q /* (dim) */,
                                    size_t count, index_scratch *s);

#endif
