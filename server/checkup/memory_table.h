/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_table: all memory that clients can cause, in addition to the store's own.
 *
 * The configuration bounds every row, so the sum is bounded too. `stair check` prints the table,
 * the run-book explains it, and tests/e2e/test_memory.py tries to exceed it.
 */
#ifndef SERVER_MEMORY_TABLE_H
#define SERVER_MEMORY_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "server/cli/serve_options.h"

enum { MEMORY_ROWS = 10 };

typedef struct memory_row {
    const char *what;
    char from[96]; /* the settings that limit this memory */
    uint64_t bytes;
} memory_row;

/* memory_table fills the rows for these settings and returns their sum. `processors` replaces
 * numbers of threads that are 0; `items` is the size of the catalogue. */
uint64_t memory_table(memory_row out[MEMORY_ROWS], const serve_options *o, unsigned processors,
                      uint64_t items);

#endif
