/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_interaction_cells: the texts of one line, and the interaction made of them. Private to
 * import*.c.
 */
#ifndef STORAGE_IMPORT_INTERACTION_CELLS_H
#define STORAGE_IMPORT_INTERACTION_CELLS_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/common/slice.h"
#include "storage/import/import_names.h"
#include "storage/import/import_state.h"

typedef struct interaction_cells {
    slice of[ROLES];     /* absent if the line has no such column */
    uint8_t flags_given; /* EDGE_* flags that the line sets or clears itself */
    uint8_t flags;       /* the values of the flags in flags_given */
} interaction_cells;

/* import_interaction_read checks the texts and keeps the interaction. It skips one whose rating is
 * too low, which is no error. ERR_INVALID names the role. */
err_code import_interaction_read(import_state *s, const interaction_cells *cells, uint64_t line,
                                 size_t file, err *e) ERR_CHECKED;

#endif
