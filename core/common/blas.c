/* SPDX-License-Identifier: Apache-2.0 */
#include "core/common/blas.h"

#include <cblas.h>
#include <lapacke.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "core/common/mem.h"

/* OpenBLAS calls this function when it is loaded, before main, and then starts a thread for each
 * online processor, each with a buffer of 32 MiB. Under a small `ulimit -v` it tries for ever to
 * get these buffers. This definition makes it start none before blas_threads asks for them. It is
 * weak, for programs that link OpenBLAS statically. */
int openblas_num_threads_env(void);
__attribute__((weak)) int openblas_num_threads_env(void)
{
    return 1;
}

void blas_threads(int threads)
{
    openblas_set_num_threads(threads);
}

/* OpenBLAS's internal functions, which its header does not declare. They allocate a buffer of
 * BLAS_BUFFER_BYTES, and keep it for the next product when it is freed. They are weak, because
 * other BLAS libraries lack them. */
void *blas_memory_alloc(int unused) __attribute__((weak));
void blas_memory_free(void *buffer) __attribute__((weak));

/* The largest buffer of OpenBLAS on x86-64 and arm64. Each caller has one, and each thread that
 * OpenBLAS starts. */
enum { BLAS_BUFFER_BYTES = 128 * 1024 * 1024, THREAD_STACK_BYTES = 8 * 1024 * 1024 };

static bool has_room(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at != MAP_FAILED) {
        (void)munmap(at, bytes);
    }
    return at != MAP_FAILED;
}

/* limit_of_mappings returns the least of the limits that apply to a mapping, or RLIM_INFINITY. */
static rlim_t limit_of_mappings(void)
{
    static const __rlimit_resource_t kinds[] = {RLIMIT_AS, RLIMIT_DATA};
    rlim_t least = RLIM_INFINITY;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rlimit limit;
        if (getrlimit(kinds[i], &limit) == 0 && limit.rlim_cur < least) {
            least = limit.rlim_cur;
        }
    }
    return least;
}

bool blas_can_load(void)
{
    return limit_of_mappings() == RLIM_INFINITY ||
           has_room(BLAS_BUFFER_BYTES + 2 * THREAD_STACK_BYTES);
}

err_code blas_reserve(int threads, err *e)
{
    size_t buffers = 2 * (size_t)threads - 1;
    size_t bytes = buffers * BLAS_BUFFER_BYTES + (size_t)threads * THREAD_STACK_BYTES;
    rlim_t limit = limit_of_mappings();
    if (limit == RLIM_INFINITY || blas_memory_alloc == NULL || blas_memory_free == NULL) {
        return ERR_OK;
    }
    void **taken = mem_array(buffers, sizeof *taken);
    if (taken == NULL || !has_room(bytes)) {
        mem_free(taken);
        return err_set(
            e, ERR_NOMEM,
            "matrix products in %d threads need %zu MiB of address space, which the limit of %llu "
            "MiB does not leave: raise the limit (ulimit -v, ulimit -d), or set fewer threads",
            threads, bytes >> 20, (unsigned long long)limit >> 20);
    }
    for (size_t i = 0; i < buffers; i++) {
        taken[i] = blas_memory_alloc(0);
    }
    for (size_t i = 0; i < buffers; i++) {
        blas_memory_free(taken[i]);
    }
    mem_free(taken);
    return ERR_OK;
}

const char *blas_kernels_for(const char *chosen, bool avx2, bool avx512)
{
    if (strcmp(chosen, "Prescott") != 0 || !avx2) {
        return NULL;
    }
    return avx512 ? "SkylakeX" : "Haswell";
}

/* The name of the kernels in use; weak, because other BLAS libraries lack it. */
char *openblas_get_corename(void) __attribute__((weak));

const char *blas_missed_kernels(void)
{
#ifdef __x86_64__
    if (openblas_get_corename != NULL) {
        bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
        return blas_kernels_for(openblas_get_corename(), avx2, avx512);
    }
#endif
    return NULL;
}

/* OpenBLAS's internal functions that choose the kernels. Weak, because a version with kernels for
 * one processor lacks them. */
void gotoblas_dynamic_quit(void) __attribute__((weak));
void gotoblas_dynamic_init(void) __attribute__((weak));

/* use_missed_kernels lets OpenBLAS choose once more, as if OPENBLAS_CORETYPE had been set when it
 * was loaded. A value that the caller has set is kept. A program's constructors run after those of
 * its libraries and before main: OpenBLAS has chosen, and has neither threads nor work. */
__attribute__((constructor)) static void use_missed_kernels(void)
{
    const char *kernels = blas_missed_kernels();
    if (kernels != NULL && gotoblas_dynamic_quit != NULL && gotoblas_dynamic_init != NULL &&
        setenv("OPENBLAS_CORETYPE", kernels, 0) == 0) {
        gotoblas_dynamic_quit();
        gotoblas_dynamic_init();
    }
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
    /* The upper triangle by rows is the lower one by columns, so nothing needs to be transposed. */
    int info = LAPACKE_dsyevr(LAPACK_COL_MAJOR, 'V', 'I', 'L', n, g, n, 0, 0, n - (int)count + 1, n,
                              0, &found, all, z, n, support);
    if (info != 0 || found != (int)count) {
        code = err_set(e, ERR_INTERNAL,
                       "the eigendecomposition of a %zu x %zu matrix failed: LAPACK reports %d",
                       width, width, info);
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
