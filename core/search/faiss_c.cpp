/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faiss_c: implements the calls of FAISS's C API that stair makes, with the official signatures.
 *
 * Debian 12's FAISS package has the headers of this API but not its library. Where libfaiss_c is
 * installed, the build links that and leaves this file out.
 *
 * No C++ exception leaves a function. Each thread keeps the text of its last exception for
 * faiss_get_last_error.
 *
 * FAISS allocates vectors with operator new, which would return addresses 16 bytes after the start
 * of a page. A row of 64 floats would then touch five cache lines instead of four, and scans of
 * cached rows took 1.8 times as long. So this file aligns large blocks, and uses huge pages for the
 * largest.
 */
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_factory.h>

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <new>

#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>

#include <sys/mman.h>

namespace
{

constexpr std::size_t CACHE_LINE = 64, HUGE_PAGE = 2 << 20;
constexpr std::size_t ALIGNED_FROM = 16 << 10, HUGE_FROM = 4 << 20; /* bytes */

/* The buffer is fixed, so that the report of a failed allocation needs no memory. */
thread_local char last_error[512];

void remember(const char *text) noexcept
{
    size_t length = 0;
    for (; text[length] != '\0' && length + 1 < sizeof last_error; length++) {
        last_error[length] = text[length];
    }
    last_error[length] = '\0';
}

template <typename Call> int guarded(Call call) noexcept
{
    try {
        call();
        return OK;
    } catch (const faiss::FaissException &problem) {
        remember(problem.what());
        return FAISS_EXCEPT;
    } catch (const std::exception &problem) {
        remember(problem.what());
        return STD_EXCEPT;
    } catch (...) {
        remember("unknown exception");
        return UNKNOWN_EXCEPT;
    }
}

faiss::Index *cpp(FaissIndex *index)
{
    return reinterpret_cast<faiss::Index *>(index);
}

const faiss::Index *cpp(const FaissIndex *index)
{
    return reinterpret_cast<const faiss::Index *>(index);
}

FaissIndex *c(faiss::Index *index)
{
    return reinterpret_cast<FaissIndex *>(index);
}

} // namespace

void *operator new(std::size_t bytes)
{
    void *memory = nullptr;
    if (bytes < ALIGNED_FROM) {
        memory = std::malloc(bytes > 0 ? bytes : 1);
    } else if (posix_memalign(&memory, bytes < HUGE_FROM ? CACHE_LINE : HUGE_PAGE, bytes) != 0) {
        memory = nullptr;
    } else if (bytes >= HUGE_FROM) {
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* a hint */
    }
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

void operator delete(void *memory) noexcept
{
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

extern "C" {

const char *faiss_get_last_error()
{
    return last_error[0] != '\0' ? last_error : nullptr;
}

void faiss_Index_free(FaissIndex *index)
{
    delete cpp(index);
}

int faiss_Index_add(FaissIndex *index, idx_t n, const float *x)
{
    return guarded([&] { cpp(index)->add(n, x); });
}

int faiss_Index_train(FaissIndex *index, idx_t n, const float *x)
{
    return guarded([&] { cpp(index)->train(n, x); });
}

int faiss_Index_assign(FaissIndex *index, idx_t n, const float *x, idx_t *labels, idx_t k)
{
    return guarded([&] { cpp(index)->assign(n, x, labels, k); });
}

int faiss_Index_reconstruct_n(const FaissIndex *index, idx_t i0, idx_t ni, float *recons)
{
    return guarded([&] { cpp(index)->reconstruct_n(i0, ni, recons); });
}

int faiss_IndexFlatIP_new_with(FaissIndexFlatIP **p_index, idx_t d)
{
    *p_index = nullptr;
    return guarded([&] { *p_index = c(new faiss::IndexFlatIP(d)); });
}

void faiss_IndexFlat_xb(FaissIndexFlat *index, float **p_xb, size_t *p_size)
{
    /* static, as the official implementation does: the caller knows the type */
    auto *flat = static_cast<faiss::IndexFlat *>(cpp(index));
    *p_xb = flat->get_xb();
    *p_size = static_cast<size_t>(flat->ntotal * flat->d);
}

FaissIndexIVF *faiss_IndexIVF_cast(FaissIndex *index)
{
    return c(dynamic_cast<faiss::IndexIVF *>(cpp(index)));
}

FaissIndex *faiss_IndexIVF_quantizer(const FaissIndexIVF *index)
{
    return c(static_cast<const faiss::IndexIVF *>(cpp(index))->quantizer);
}

int faiss_index_factory(FaissIndex **p_index, int d, const char *description,
                        FaissMetricType metric)
{
    *p_index = nullptr;
    return guarded([&] {
        *p_index = c(faiss::index_factory(d, description, static_cast<faiss::MetricType>(metric)));
    });
}
}
