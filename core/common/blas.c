/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/blas.h"

#include <cblas.h>
#include <lapacke.h>

#include "core/common/mem.h"

/* OpenBLAS asks itself this when it is loaded, before main, and then starts a thread for each
 * processor that is online, each with a buffer of 32 MiB: under a small `ulimit -v` it tries for
 * ever to get them. Defined here, it starts none before blas_threads asks for them. Weak, for a
 * program that links OpenBLAS's own code. */
int openblas_num_threads_env(void);
__attribute__((weak)) int openblas_num_threads_env(void)
{
    return 1;
}

void blas_threads(int threads)
{
    openblas_set_num_threads(threads);
}

void blas_scores(const blas_product *p)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)p->rows, (int)p->cols, (int)p->dim,
                1.0F, p->a, (int)p->dim, p->b, (int)p->dim, 0.0F, p->c, (int)p->stride);
}

void blas_multiply(const blas_product *p)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->rows, (int)p->cols, (int)p->dim,
                1.0F, p->a, (int)p->dim, p->b, (int)p->cols, 0.0F, p->c, (int)p->stride);
}

void blas_gram(const double *x, size_t rows, size_t width, double *g)
{
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)width, (int)rows, 1.0, x, (int)width,
                1.0, g, (int)width);
}

err_code blas_eigen(double *g, size_t width, size_t count, double *values, double *vectors, err *e)
{
    int n = (int)width, found = 0;
    double *all = mem_array(width, sizeof *all);
    double *z = mem_array(width * count, sizeof *z);
    int *support = mem_array(2 * width, sizeof *support);
    err_code code = ERR_OK;
    if (all == NULL || z == NULL || support == NULL) {
        code = err_nomem(e, "an eigendecomposition");
        goto done;
    }
    /* The row-major upper triangle is the column-major lower one, which needs no transposing. */
    int info = LAPACKE_dsyevr(LAPACK_COL_MAJOR, 'V', 'I', 'L', n, g, n, 0, 0, n - (int)count + 1, n,
                              0, &found, all, z, n, support);
    if (info != 0 || found != (int)count) {
        code = err_set(e, ERR_INTERNAL, "eigendecomposition of %zu x %zu failed: %d", width, width,
                       info);
        goto done;
    }
    for (size_t c = 0; c < count; c++) {
        values[c] = all[count - 1 - c];
        for (size_t j = 0; j < width; j++) {
            vectors[c * width + j] = z[(count - 1 - c) * width + j];
        }
    }
done:
    mem_free(all);
    mem_free(z);
    mem_free(support);
    return code;
}
