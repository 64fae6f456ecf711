/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/words_reference.h"

#include <math.h>
#include <stdint.h>

#include "core/common/eigen_reference.h"
#include "core/common/mem.h"
#include "core/words/words_parts.h"

void words_encode_reference(const word_space *w, const bag_term *terms, size_t count, double *out)
{
    double square = 0;
    for (size_t j = 0; j < WORDS_WIDTH; j++) {
        out[j] = 0;
        for (size_t i = 0; i < count; i++) {
            size_t term = words_find(w, terms[i].hash);
            if (term != SIZE_MAX) {
                double vector =
                    (double)w->scales[term] * (double)w->vectors[term * WORDS_WIDTH + j];
                out[j] += (double)w->weights[term] *
                          (double)words_frequency_weight(terms[i].frequency) * vector;
            }
        }
        square += out[j] * out[j];
    }
    for (size_t j = 0; j < WORDS_WIDTH && square > 0; j++) {
        out[j] /= sqrt(square);
    }
}

err_code subspace_reference(const csr *a, double *vectors, err *e)
{
    double *gram = mem_array(a->cols * a->cols, sizeof *gram);
    double *values = mem_array(a->cols, sizeof *values);
    err_code code = ERR_OK;
    if (gram == NULL || values == NULL) {
        code = err_nomem(e, "singular vectors");
    }
    for (size_t r = 0; code == ERR_OK && r < a->rows; r++) {
        for (size_t i = a->start[r]; i < a->start[r + 1]; i++) {
            for (size_t j = a->start[r]; j < a->start[r + 1]; j++) {
                gram[a->col[i] * a->cols + a->col[j]] += (double)a->value[i] * (double)a->value[j];
            }
        }
    }
    if (code == ERR_OK) {
        eigen_reference(gram, a->cols, values, vectors);
    }
    mem_free(gram);
    mem_free(values);
    return code;
}
