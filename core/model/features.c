/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/features.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static err_code table_read(void *ctx, size_t first, size_t count, float *out, err *e)
{
    const feature_table *t = ctx;
    if (first > t->rows || count > t->rows - first) {
        return err_set(e, ERR_INTERNAL, "feature rows %zu to %zu of %zu", first, first + count,
                       t->rows);
    }
    memcpy(out, t->x + first * t->width, count * t->width * sizeof *out);
    return ERR_OK;
}

feature_source feature_source_table(const char *name, feature_table *table, uint32_t neighbours)
{
    feature_source s = {.width = table->width,
                        .rows = table->rows,
                        .neighbours = neighbours,
                        .read = table_read,
                        .ctx = table};
    snprintf(s.name, sizeof s.name, "%s", name);
    return s;
}

int feature_row_missing(const float *row, size_t width)
{
    for (size_t j = 0; j < width; j++) {
        if (!isnan(row[j])) {
            return 0;
        }
    }
    return 1;
}
