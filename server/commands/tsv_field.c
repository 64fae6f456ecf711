/* SPDX-License-Identifier: Apache-2.0 */
#include "server/commands/tsv_field.h"

void tsv_field_write(FILE *file, slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        switch (text.at[i]) {
        case '\t': fputs("\\t", file); break;
        case '\n': fputs("\\n", file); break;
        case '\r': fputs("\\r", file); break;
        case '\\': fputs("\\\\", file); break;
        default: fputc(text.at[i], file); break;
        }
    }
}
