/* SPDX-License-Identifier: Apache-2.0 */
/*
 * npy: reads NumPy's .npy files of floats, row by row.
 *
 * It reads (rows, width) arrays in C order of <f2, <f4 or <f8, format versions 1 to 3. Everything
 * else is refused by name: pickled objects, Fortran order, big-endian, integers, other shapes, and
 * files whose size does not match their header. A row that is all NaN is a missing modality. Any
 * other NaN or infinity is refused with its row and column. It holds one row in memory, whatever
 * the file's size. All messages start with the path.
 *
 * One thread at a time per reader.
 */
#ifndef CORE_NPY_H
#define CORE_NPY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/common/err.h"
#include "core/common/item_fields.h"

typedef struct npy npy;

typedef enum npy_row {
    NPY_ROW_VALUES = 0,
    NPY_ROW_ZERO,    /* the modality is present, but all its numbers are zero */
    NPY_ROW_MISSING, /* all NaN */
} npy_row;

/* npy_open reads the header. npy_open_file takes over an open file, and closes it on failure too;
 * messages name it `name`. ERR_NOT_FOUND, ERR_IO, ERR_INVALID. Close with npy_close. */
err_code npy_open(npy **out, const char *path, err *e) ERR_CHECKED;
err_code npy_open_file(npy **out, FILE *file, const char *name, err *e) ERR_CHECKED;

/* npy_close accepts NULL. */
void npy_close(npy *n);

/* The shape, and the type of the values that npy_read returns: <f2 for <f2, and <f4 for <f4 and
 * <f8. */
uint64_t npy_rows(const npy *n);
uint32_t npy_width(const npy *n);
feature_dtype npy_dtype(const npy *n);

/* npy_read reads the next row into `out` (width values of npy_dtype, may be unaligned). ERR_INVALID
 * names row and column. ERR_INTERNAL: there are no more rows. */
err_code npy_read(npy *n, void *out, npy_row *kind, err *e) ERR_CHECKED;

enum { NPY_HEADER_BYTES = 128 };

/* npy_header writes the header of a (rows, width) array, version 1.0. */
void npy_header(char out[NPY_HEADER_BYTES], uint64_t rows, uint32_t width, feature_dtype dtype);

#endif
