/* SPDX-License-Identifier: Apache-2.0 */
/* CSV and TSV of any bytes: every record has the header's number of fields, within the input. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/import/delimited.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    delimited *d = NULL;
    const slice *fields = NULL;
    err e = ERR_INIT;
    FILE *file = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "rb") : NULL;
    if (file == NULL || delimited_open_file(&d, file, "f", &e) != ERR_OK) {
        return 0;
    }
    uint64_t line = 0;
    volatile char sum = 0; /* reads every byte, so that the sanitizer sees a wrong bound */
    while (delimited_next(d, &fields, &e) == ERR_OK && fields != NULL) {
        for (size_t i = 0; i < delimited_columns(d); i++) {
            if (fields[i].length > size) {
                abort();
            }
            for (size_t at = 0; at < fields[i].length; at++) {
                sum = (char)(sum ^ fields[i].at[at]);
            }
        }
        if (delimited_line(d) <= line) {
            abort();
        }
        line = delimited_line(d);
    }
    delimited_close(d);
    return 0;
}
