/* SPDX-License-Identifier: Apache-2.0 */
/* .npy files with any bytes: read or refused, with at most one row in memory. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/common/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char row[FEATURE_WIDTH_MAX * sizeof(float)];
    npy *n = NULL;
    err e = ERR_INIT;
    FILE *file = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "rb") : NULL;
    if (file == NULL || npy_open_file(&n, file, "f", &e) != ERR_OK) {
        return 0;
    }
    npy_row kind;
    for (uint64_t i = 0; i < npy_rows(n) && npy_read(n, row, &kind, &e) == ERR_OK; i++) {
        if (npy_width(n) > FEATURE_WIDTH_MAX || kind > NPY_ROW_MISSING) {
            abort();
        }
    }
    npy_close(n);
    return 0;
}
