/* SPDX-License-Identifier: Apache-2.0 */
/* npy: what it reads, and the words with which it refuses the rest. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/npy.h"

/* Builds a file in memory: version, the dictionary, data. */
static unsigned char file_bytes[4096];

static size_t build(int version, const char *dictionary, const void *data, size_t data_bytes)
{
    size_t length = strlen(dictionary);
    size_t at = version == 1 ? 10 : 12;
    memcpy(file_bytes, "\x93NUMPY", 6);
    file_bytes[6] = (unsigned char)version;
    file_bytes[7] = 0;
    file_bytes[8] = (unsigned char)length;
    file_bytes[9] = (unsigned char)(length >> 8);
    if (version > 1) {
        file_bytes[10] = file_bytes[11] = 0;
    }
    memcpy(file_bytes + at, dictionary, length);
    if (data_bytes > 0) {
        memcpy(file_bytes + at + length, data, data_bytes);
    }
    return at + length + data_bytes;
}

static err_code open_bytes(npy **out, size_t bytes, err *e)
{
    FILE *file = fmemopen(file_bytes, bytes, "rb");
    assert_non_null(file);
    return npy_open_file(out, file, "x.npy", e);
}

#define DICT(descr, fortran, shape)                                                                \
    "{'descr': '" descr "', 'fortran_order': " fortran ", 'shape': " shape ", }\n"

static void every_float_type_and_version_is_read(void **state)
{
    (void)state;
    const uint16_t halves[4] = {0x3c00, 0xc000, 0x0001, 0x0000}; /* 1, -2, smallest, 0 */
    const float singles[4] = {1.0F, -2.0F, 0.5F, 0.0F};
    const double doubles[4] = {1.0, -2.0, 0.5, 0.0};
    const struct {
        const char *dictionary;
        const void *data;
        size_t bytes;
        feature_dtype dtype;
    } cases[] = {{DICT("<f2", "False", "(2, 2)"), halves, sizeof halves, FEATURE_F2},
                 {DICT("<f4", "False", "(2, 2)"), singles, sizeof singles, FEATURE_F4},
                 {DICT("<f8", "False", "(2, 2)"), doubles, sizeof doubles, FEATURE_F4}};
    for (size_t i = 0; i < 3; i++) {
        for (int version = 1; version <= 3; version++) {
            npy *n = NULL;
            float row[2];
            npy_row kind;
            size_t bytes = build(version, cases[i].dictionary, cases[i].data, cases[i].bytes);
            assert_int_equal(open_bytes(&n, bytes, NULL), ERR_OK);
            assert_int_equal(npy_rows(n), 2);
            assert_int_equal(npy_width(n), 2);
            assert_int_equal(npy_dtype(n), cases[i].dtype);
            assert_int_equal(npy_read(n, row, &kind, NULL), ERR_OK);
            assert_int_equal(kind, NPY_ROW_VALUES);
            assert_memory_equal(row, i == 0 ? (const void *)halves : singles, i == 0 ? 4 : 8);
            assert_int_equal(npy_read(n, row, &kind, NULL), ERR_OK);
            npy_close(n);
        }
    }
}

static void rows_of_nan_are_missing_and_rows_of_zeros_are_told(void **state)
{
    (void)state;
    const float data[6] = {NAN, NAN, 0.0F, -0.0F, 1.0F, 0.0F};
    float row[2];
    npy_row kind;
    npy *n = NULL;
    size_t bytes = build(1, DICT("<f4", "False", "(3, 2)"), data, sizeof data);
    assert_int_equal(open_bytes(&n, bytes, NULL), ERR_OK);
    assert_int_equal(npy_read(n, row, &kind, NULL), ERR_OK);
    assert_int_equal(kind, NPY_ROW_MISSING);
    assert_int_equal(npy_read(n, row, &kind, NULL), ERR_OK);
    assert_int_equal(kind, NPY_ROW_ZERO);
    assert_int_equal(npy_read(n, row, &kind, NULL), ERR_OK);
    assert_int_equal(kind, NPY_ROW_VALUES);
    assert_int_equal(npy_read(n, row, &kind, NULL), ERR_INTERNAL);
    npy_close(n);
}

static void a_row_of_negative_zeros_is_a_row_of_zeros_in_half_precision_too(void **state)
{
    (void)state;
    const uint16_t data[4] = {0x8000, 0x0000, 0x8000, 0x0001};
    uint16_t row[2];
    npy_row kind;
    npy *n = NULL;
    size_t bytes = build(1, DICT("<f2", "False", "(2, 2)"), data, sizeof data);
    assert_int_equal(open_bytes(&n, bytes, NULL), ERR_OK);
    assert_int_equal(npy_read(n, row, &kind, NULL), ERR_OK);
    assert_int_equal(kind, NPY_ROW_ZERO);
    assert_int_equal(npy_read(n, row, &kind, NULL), ERR_OK);
    assert_int_equal(kind, NPY_ROW_VALUES);
    npy_close(n);
}

static void what_cannot_be_computed_with_is_refused_with_row_and_column(void **state)
{
    (void)state;
    const uint16_t halves[4] = {0x3c00, 0x3c00, 0x3c00, 0x7c00};
    const float singles[4] = {1.0F, 1.0F, NAN, 1.0F};
    const double doubles[4] = {1.0, 1.0, 1.0, 1e39}; /* infinite in single precision */
    const float large[4] = {1e15F, 1.0F, -2e15F, 1.0F};
    const struct {
        const char *dictionary;
        const void *data;
        size_t bytes;
        const char *told;
    } cases[] = {
        {DICT("<f2", "False", "(2, 2)"), halves, sizeof halves, "x.npy: row 1, column 1: an inf"},
        {DICT("<f4", "False", "(2, 2)"), singles, sizeof singles, "x.npy: row 1, column 0: NaN"},
        {DICT("<f8", "False", "(2, 2)"), doubles, sizeof doubles, "x.npy: row 1, column 1: an inf"},
        {DICT("<f4", "False", "(2, 2)"), large, sizeof large,
         "row 1, column 0: a number beyond 1e15"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        npy *n = NULL;
        float row[2];
        npy_row kind;
        err e = ERR_INIT;
        size_t bytes = build(1, cases[i].dictionary, cases[i].data, cases[i].bytes);
        assert_int_equal(open_bytes(&n, bytes, NULL), ERR_OK);
        assert_int_equal(npy_read(n, row, &kind, NULL), ERR_OK);
        assert_int_equal(npy_read(n, row, &kind, &e), ERR_INVALID);
        assert_non_null(strstr(e.text, cases[i].told));
        npy_close(n);
    }
}

static void refuse(size_t bytes, const char *told)
{
    npy *n = NULL;
    err e = ERR_INIT;
    assert_int_equal(open_bytes(&n, bytes, &e), ERR_INVALID);
    assert_null(n);
    if (strstr(e.text, told) == NULL || strncmp(e.text, "x.npy: ", 7) != 0) {
        fail_msg("expected \"%s\" in \"%s\"", told, e.text);
    }
}

static void other_arrays_are_refused_by_name(void **state)
{
    (void)state;
    const float data[4] = {1, 2, 3, 4};
    const struct {
        const char *dictionary, *told;
    } cases[] = {
        {DICT("|O", "False", "(2, 2)"), "pickled objects"},
        {DICT(">f4", "False", "(2, 2)"), "big-endian"},
        {DICT("<i4", "False", "(2, 2)"), "dtype '<i4'"},
        {DICT("<f4", "True", "(2, 2)"), "Fortran order"},
        {DICT("<f4", "False", "(4,)"), "1 dimensions"},
        {DICT("<f4", "False", "()"), "0 dimensions"},
        {DICT("<f4", "False", "(1, 2, 2)"), "3 dimensions"},
        {DICT("<f4", "False", "(4, 0)"), "rows of 0 numbers"},
        {DICT("<f4", "False", "(1, 99999)"), "rows of 99999 numbers"},
        {DICT("<f4", "False", "(99999999999, 1)"), "99999999999 rows"},
        {DICT("<f4", "False", "(99999999999999999999999, 1)"), "not a .npy dictionary"},
        {DICT("<f4", "False", "(3, 2)"), "truncated"},
        {DICT("<f4", "False", "(1, 2)"), "8 bytes follow"},
        {DICT("<f4", "Maybe", "(2, 2)"), "not a .npy dictionary"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}", "record array"},
        {"{'descr': '<f4', 'fortran_order': False}", "not a .npy dictionary"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}",
         "not a .npy dictionary"},
        {"{'descr': '<f4", "not a .npy dictionary"},
        {"", "not a .npy dictionary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(build(1, cases[i].dictionary, data, sizeof data), cases[i].told);
    }
}

static void other_files_are_refused_by_name(void **state)
{
    (void)state;
    memcpy(file_bytes, "PK\x03\x04rest of an archive", 20);
    refuse(20, ".npz archive");
    memcpy(file_bytes, "\x80\x04\x95pickled..", 12);
    refuse(12, "a pickle");
    memcpy(file_bytes, "just text, no array", 19);
    refuse(19, "not a .npy file");
    memcpy(file_bytes, "\x93NUM", 4);
    refuse(4, "truncated in the header");
    refuse(build(4, DICT("<f4", "False", "(0, 2)"), NULL, 0), "format version 4.0");
    memcpy(file_bytes, "\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12);
    refuse(12, "a header of 2147483647 bytes");
}

static void the_header_that_we_write_is_one_that_we_read(void **state)
{
    (void)state;
    char header[NPY_HEADER_BYTES];
    npy *n = NULL;
    npy_header(header, 2, 3, FEATURE_F2);
    memcpy(file_bytes, header, sizeof header);
    memset(file_bytes + sizeof header, 0, 12);
    assert_int_equal(open_bytes(&n, sizeof header + 12, NULL), ERR_OK);
    assert_int_equal(npy_rows(n), 2);
    assert_int_equal(npy_width(n), 3);
    assert_int_equal(npy_dtype(n), FEATURE_F2);
    npy_close(n);
    npy_header(header, UINT32_MAX - 1, FEATURE_WIDTH_MAX, FEATURE_F4);
    assert_int_equal(header[NPY_HEADER_BYTES - 1], '\n');
}

static void a_missing_file_and_a_folder_are_told(void **state)
{
    (void)state;
    npy *n = NULL;
    err e = ERR_INIT;
    assert_int_equal(npy_open(&n, "/nowhere/at/all.npy", &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "/nowhere/at/all.npy"));
    assert_int_equal(npy_open(&n, "/", NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_float_type_and_version_is_read),
        cmocka_unit_test(rows_of_nan_are_missing_and_rows_of_zeros_are_told),
        cmocka_unit_test(a_row_of_negative_zeros_is_a_row_of_zeros_in_half_precision_too),
        cmocka_unit_test(what_cannot_be_computed_with_is_refused_with_row_and_column),
        cmocka_unit_test(other_arrays_are_refused_by_name),
        cmocka_unit_test(other_files_are_refused_by_name),
        cmocka_unit_test(the_header_that_we_write_is_one_that_we_read),
        cmocka_unit_test(a_missing_file_and_a_folder_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
