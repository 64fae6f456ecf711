/* SPDX-License-Identifier: Apache-2.0 */
#include "core/search/faiss_table.h"

#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/common/mem.h"

/* faiss_assign processes this many rows at a time, which bounds the memory for labels. */
enum { ASSIGN_ROWS = 65536 };

/* Our headers do not declare FaissIndex, so a faiss_table pointer stands for it. */
static FaissIndex *to_faiss(faiss_table *t)
{
    return (FaissIndex *)t;
}

/* failed copies the text of the call that just failed into an err, because the next call frees
 * it. */
static err_code failed(err *e, const char *what)
{
    const char *text = faiss_get_last_error();
    return err_set(e, ERR_INTERNAL, "FAISS: %s: %s", what, text != NULL ? text : "no reason given");
}

/* add_zeros grows the index once, by adding zeros from a mapping that uses no memory. So FAISS
 * allocates exactly what is needed, and the caller fills it in place. */
static err_code add_zeros(FaissIndex *index, size_t rows, size_t dim, err *e)
{
    size_t bytes = rows * dim * sizeof(float);
    void *zeros = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) {
        return err_nomem(e, "the vectors");
    }
    int code = faiss_Index_add(index, (idx_t)rows, zeros);
    (void)munmap(zeros, bytes);
    return code == 0 ? ERR_OK : failed(e, "adding vectors");
}

err_code faiss_table_new(faiss_table **out, float **data, size_t rows, size_t dim, err *e)
{
    *out = NULL;
    *data = NULL;
    void *probe = mem_array(1, 1); /* lets allocation tests also make FAISS's allocation fail */
    if (probe == NULL) {
        return err_nomem(e, "the vectors");
    }
    mem_free(probe);
    FaissIndexFlatIP *index = NULL;
    if (faiss_IndexFlatIP_new_with(&index, (idx_t)dim) != 0) {
        return failed(e, "making a flat index");
    }
    if (rows > 0) {
        err_code code = add_zeros(index, rows, dim, e);
        if (code != ERR_OK) {
            faiss_Index_free(index);
            return code;
        }
        size_t floats = 0;
        faiss_IndexFlat_xb(index, data, &floats);
    }
    *out = (faiss_table *)index;
    return ERR_OK;
}

void faiss_table_free(faiss_table *t)
{
    if (t != NULL) {
        faiss_Index_free(to_faiss(t));
    }
}

static err_code train(FaissIndex *ivf, const faiss_clustering *how, const float *x,
                      float *centroids, err *e)
{
    if (faiss_Index_train(ivf, (idx_t)how->rows, x) != 0) {
        return failed(e, "clustering");
    }
    FaissIndexIVF *inverted = faiss_IndexIVF_cast(ivf);
    if (inverted == NULL) {
        return err_set(e, ERR_INTERNAL, "FAISS: index_factory returned no inverted-file index");
    }
    if (faiss_Index_reconstruct_n(faiss_IndexIVF_quantizer(inverted), 0, (idx_t)how->clusters,
                                  centroids) != 0) {
        return failed(e, "reading the clusters");
    }
    return ERR_OK;
}

err_code faiss_cluster(const faiss_clustering *how, const float *x, float *centroids, err *e)
{
    char recipe[32];
    (void)snprintf(recipe, sizeof recipe, "IVF%zu,Flat", how->clusters);
    FaissIndex *ivf = NULL;
    if (faiss_index_factory(&ivf, (int)how->dim, recipe, METRIC_INNER_PRODUCT) != 0) {
        return failed(e, "making an inverted file");
    }
    int threads = omp_get_max_threads();
    omp_set_num_threads((int)how->threads);
    err_code code = train(ivf, how, x, centroids, e);
    omp_set_num_threads(threads);
    faiss_Index_free(ivf);
    return code;
}

static err_code assign(FaissIndex *flat, const faiss_clustering *how, const float *x,
                       uint32_t *cluster, err *e)
{
    idx_t *labels = mem_array(ASSIGN_ROWS, sizeof *labels);
    if (labels == NULL) {
        return err_nomem(e, "the clusters of the vectors");
    }
    err_code code = ERR_OK;
    for (size_t at = 0; at < how->rows && code == ERR_OK; at += ASSIGN_ROWS) {
        size_t count = how->rows - at < ASSIGN_ROWS ? how->rows - at : ASSIGN_ROWS;
        if (faiss_Index_assign(flat, (idx_t)count, x + at * how->dim, labels, 1) != 0) {
            code = failed(e, "assigning vectors to clusters");
        }
        for (size_t i = 0; i < count && code == ERR_OK; i++) {
            /* -1 means that no product was largest, which only NaN can cause */
            cluster[at + i] = labels[i] >= 0 ? (uint32_t)labels[i] : 0;
        }
    }
    mem_free(labels);
    return code;
}

err_code faiss_assign(const faiss_clustering *how, const float *x, const float *centroids,
                      uint32_t *cluster, err *e)
{
    faiss_table *flat = NULL;
    float *data = NULL;
    err_code code = faiss_table_new(&flat, &data, how->clusters, how->dim, e);
    if (code != ERR_OK) {
        return code;
    }
    memcpy(data, centroids, how->clusters * how->dim * sizeof *data);
    int threads = omp_get_max_threads();
    omp_set_num_threads((int)how->threads);
    code = assign(to_faiss(flat), how, x, cluster, e);
    omp_set_num_threads(threads);
    faiss_table_free(flat);
    return code;
}
