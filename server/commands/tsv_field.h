/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tsv_field: one field of a tab-separated file.
 */
#ifndef SERVER_TSV_FIELD_H
#define SERVER_TSV_FIELD_H

#include <stdio.h>

#include "core/common/slice.h"

/* tsv_field_write writes `text`. It escapes characters that would end the field or the line like
 * PostgreSQL's COPY: a tab as \t, a line end as \n, a carriage return as \r, a backslash as \\. */
void tsv_field_write(FILE *file, slice text);

#endif
