/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops of every version that a log can hold are read.
 *
 * tests/fixtures/ops/N holds an encoded op of version N of each kind, as the release wrote it that
 * introduced the version. These files never change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "storage/log/op.h"

enum { FILE_MAX_BYTES = 4096, ARENA_BYTES = 1 << 20, KINDS_AT_FIRST = 11 };

static slice read_example(unsigned version, const char *name, char bytes[FILE_MAX_BYTES])
{
    char path[512];
    snprintf(path, sizeof path, "tests/fixtures/ops/%u/%s", version, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t length = fread(bytes, 1, FILE_MAX_BYTES, f);
    fclose(f);
    assert_in_range(length, 1, FILE_MAX_BYTES - 1);
    return (slice){bytes, length};
}

/* check_example decodes an op and encodes it again. An op of an older version must keep its
 * version, as after an erasure. */
static void check_example(unsigned version, slice bytes)
{
    op *o = NULL;
    err e = ERR_INIT;
    arena memory;
    slice again;
    if (op_decode(&o, bytes, &e) != ERR_OK) {
        fail_msg("version %u, kind %d: %s", version, bytes.at[1], e.text);
    }
    assert_int_equal(op_version(o), version);
    assert_in_range(op_version_least(o), OP_VERSION_OLDEST, version);
    arena_init(&memory, ARENA_BYTES);
    assert_int_equal(op_encode(o, &memory, &again, NULL), ERR_OK);
    assert_true(slice_equal(again, bytes));
    arena_fini(&memory);
    op_free(o);
}

static void every_version_that_a_log_can_hold_is_read_and_kept(void **state)
{
    (void)state;
    for (unsigned version = OP_VERSION_OLDEST; version <= OP_VERSION; version++) {
        char folder[64], bytes[FILE_MAX_BYTES];
        unsigned count = 0;
        snprintf(folder, sizeof folder, "tests/fixtures/ops/%u", version);
        DIR *d = opendir(folder);
        if (d == NULL) {
            fail_msg("%s is missing: keep an op of each kind there", folder);
        }
        for (struct dirent *at = readdir(d); at != NULL; at = readdir(d)) {
            if (at->d_name[0] != '.') {
                check_example(version, read_example(version, at->d_name, bytes));
                count++;
            }
        }
        closedir(d);
        assert_true(count >= KINDS_AT_FIRST);
    }
}

static void expect_refused(unsigned version, err_code expected, const char *text)
{
    char bytes[FILE_MAX_BYTES];
    err e = ERR_INIT;
    op *o = NULL;
    slice example = read_example(OP_VERSION_OLDEST, "kind2", bytes);
    bytes[0] = (char)version;
    assert_int_equal(op_decode(&o, example, &e), expected);
    assert_null(o);
    assert_non_null(strstr(e.text, text));
}

static void other_versions_are_refused(void **state)
{
    char text[64];
    (void)state;
    snprintf(text, sizeof text, "version %d, expected %d to %d", OP_VERSION_OLDEST - 1,
             OP_VERSION_OLDEST, OP_VERSION);
    expect_refused(OP_VERSION_OLDEST - 1, ERR_CORRUPT, text);
    snprintf(text, sizeof text, "a write of version %d", OP_VERSION + 1);
    expect_refused(OP_VERSION + 1, ERR_CONFLICT, text);
    expect_refused(255, ERR_CONFLICT, "a write of version 255");
}

static void a_kind_does_not_exist_before_its_version(void **state)
{
    op *o = NULL;
    err e = ERR_INIT;
    (void)state;
    assert_int_equal(op_new(&o, OP_GENERATION_PRUNE, 1024, NULL), ERR_OK);
    assert_int_equal(op_version(o), OP_VERSION);
    assert_int_equal(op_check(o, NULL), ERR_OK);
    o->version = OP_VERSION_OLDEST - 1;
    assert_int_equal(op_check(o, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "has content of version 2"));
    op_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_that_a_log_can_hold_is_read_and_kept),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(a_kind_does_not_exist_before_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
