/* SPDX-License-Identifier: Apache-2.0 */
/* Tables with any bytes, plain, gzipped or in UTF-16. Every record has as many fields as there are
 * columns, inside the input, and line numbers only increase. The first byte chooses the options: a
 * header from the caller, a separator. A bad line is skipped, as with --skip-bad-lines. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/import/delimited.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(delimited *d)
{
    const slice *fields = NULL;
    uint64_t line = 0;
    volatile char sum = 0; /* reads every byte, so that the sanitizer detects a wrong bound */
    for (;;) {
        err e = ERR_INIT;
        err_code code = delimited_next(d, &fields, &e);
        if (code == ERR_INVALID && fields == NULL && delimited_line(d) > line) {
            line = delimited_line(d);
            continue;
        }
        if (code != ERR_OK || fields == NULL) {
            return;
        }
        for (size_t i = 0; i < delimited_columns(d); i++) {
            if (fields[i].length > DELIMITED_LINE_BYTES_MAX) {
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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const separators[] = {NULL, ",", ";", "::", "\t", "|"};
    static const char *const headers[] = {NULL, "user,item", "user,item:token,time", "a,,a"};
    delimited *d = NULL;
    text_source *source = NULL;
    err e = ERR_INIT;
    delimited_options options = {0};
    if (size > 0) {
        options.separator = separators[data[0] % 6];
        options.header = headers[data[0] / 6 % 4];
        data++;
        size--;
    }
    FILE *file = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "rb") : NULL;
    if (file == NULL || text_source_take(&source, file, "f", &e) != ERR_OK ||
        delimited_open(&d, source, &options, &e) != ERR_OK) {
        return 0;
    }
    read_all(d);
    delimited_close(d);
    return 0;
}
