/* SPDX-License-Identifier: Apache-2.0 */
/* delimited and jsonl: the text that import reads, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "storage/import/delimited.h"
#include "storage/import/jsonl.h"

static FILE *file_of(const char *text, size_t length)
{
    FILE *file = fmemopen((void *)(uintptr_t)text, length, "rb");
    assert_non_null(file);
    return file;
}

static delimited *open_text(const char *text)
{
    delimited *d = NULL;
    err e = ERR_INIT;
    if (delimited_open_file(&d, file_of(text, strlen(text)), "f", &e) != ERR_OK) {
        fail_msg("%s", e.text);
    }
    return d;
}

static const slice *next(delimited *d)
{
    const slice *fields = NULL;
    err e = ERR_INIT;
    if (delimited_next(d, &fields, &e) != ERR_OK) {
        fail_msg("%s", e.text);
    }
    return fields;
}

static void expect(slice field, const char *text)
{
    assert_int_equal(field.length, strlen(text));
    assert_memory_equal(field.at, text, field.length);
}

static void a_recbole_header_loses_its_suffixes(void **state)
{
    (void)state;
    delimited *d = open_text("user_id:token\ttags:token_seq\trating:float\tv:float_seq\tx:y\n");
    expect(delimited_column(d, 0), "user_id");
    expect(delimited_column(d, 1), "tags");
    expect(delimited_column(d, 4), "x:y");
    assert_int_equal(delimited_column_kind(d, 0), DELIMITED_TOKEN);
    assert_int_equal(delimited_column_kind(d, 1), DELIMITED_TOKENS);
    assert_int_equal(delimited_column_kind(d, 2), DELIMITED_FLOAT);
    assert_int_equal(delimited_column_kind(d, 3), DELIMITED_FLOATS);
    assert_int_equal(delimited_column_kind(d, 4), DELIMITED_PLAIN);
    assert_null(next(d));
    delimited_close(d);
}

static void quotes_hold_separators_line_ends_and_quotes(void **state)
{
    (void)state;
    delimited *d = open_text("\xef\xbb\xbf\"a\",b\r\n"
                             "\"x,1\",\"say \"\"hi\"\"\"\r\n"
                             "\"two\nlines\r\n\",\r\n"
                             "\r\n"
                             "plain,it\"s\n"
                             "\"\",\"last\r\"");
    expect(delimited_column(d, 0), "a");
    const slice *f = next(d);
    expect(f[0], "x,1");
    expect(f[1], "say \"hi\"");
    assert_int_equal(delimited_line(d), 2);
    f = next(d);
    expect(f[0], "two\nlines\r\n");
    expect(f[1], "");
    assert_int_equal(delimited_line(d), 3);
    f = next(d);
    expect(f[0], "plain");
    expect(f[1], "it\"s");
    assert_int_equal(delimited_line(d), 7);
    f = next(d);
    expect(f[0], "");
    expect(f[1], "last\r");
    assert_null(next(d));
    assert_null(next(d));
    delimited_close(d);
}

static void tabs_leave_quotes_and_commas_alone(void **state)
{
    (void)state;
    delimited *d = open_text("a\tb\n\"x\ty,z\r\n");
    const slice *f = next(d);
    expect(f[0], "\"x");
    expect(f[1], "y,z");
    delimited_close(d);
}

static void lines_longer_than_the_buffers_are_whole(void **state)
{
    (void)state;
    enum { LENGTH = 600 * 1024 };
    char *text = mem_array(LENGTH + 16, 1);
    memcpy(text, "a,b\n", 4);
    memset(text + 4, 'x', LENGTH);
    memcpy(text + 4 + LENGTH, ",1\ny,2\n", 8);
    delimited *d = open_text(text);
    const slice *f = next(d);
    assert_int_equal(f[0].length, LENGTH);
    expect(f[1], "1");
    f = next(d);
    expect(f[0], "y");
    delimited_close(d);
    mem_free(text);
}

static void refuse(const char *text, size_t length, const char *told)
{
    delimited *d = NULL;
    const slice *fields = NULL;
    err e = ERR_INIT;
    err_code code = delimited_open_file(&d, file_of(text, length), "f", &e);
    while (code == ERR_OK) {
        code = delimited_next(d, &fields, &e);
        if (fields == NULL) {
            break;
        }
    }
    assert_int_equal(code, ERR_INVALID);
    if (strstr(e.text, told) == NULL) {
        fail_msg("expected \"%s\" in \"%s\"", told, e.text);
    }
    delimited_close(d);
}

static void bad_text_is_refused_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"\n", "f:1: the first line is empty"},
        {"a,b\n1,2\n3\n", "f:3: expected 2 fields, not 1"},
        {"a,b\n\n1,2,3\n", "f:3: expected 2 fields, not 3"},
        {"a,b\n\"1,2\n3,4\n", "f:2: a quote is not closed"},
        {"a,b\n\"1\"x,2\n", "f:2: text after a closing quote"},
        {"a,b\n\"1\"\rx,2\n", "f:2: text after a closing quote"},
        {"a,,b\n", "f:1: column 2 has no name"},
        {"a,b,a:token\n", "f:1: column \"a\" is there twice"},
        {"\xef\xbb\xbf", "f:1: the file is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(cases[i].text, strlen(cases[i].text), cases[i].told);
    }
    refuse("a\0,b\n", 5, "f:1: a NUL byte in the header");
}

static void endless_lines_and_fields_are_refused(void **state)
{
    (void)state;
    enum { LENGTH = 2 * 1024 * 1024 };
    char *text = mem_array(LENGTH, 1);
    memset(text, 'x', LENGTH);
    refuse(text, LENGTH, "f:1: longer than 1048576 bytes");
    memset(text, ',', LENGTH);
    refuse(text, LENGTH, "f:1: more than 256 fields");
    mem_free(text);
}

static void a_missing_file_is_told(void **state)
{
    (void)state;
    delimited *d = NULL;
    jsonl *j = NULL;
    assert_int_equal(delimited_open(&d, "/nowhere/x.csv", NULL), ERR_NOT_FOUND);
    assert_int_equal(delimited_open(&d, "/", NULL), ERR_INVALID);
    assert_int_equal(jsonl_open(&j, "/nowhere/x.jsonl", NULL), ERR_NOT_FOUND);
    assert_int_equal(jsonl_open(&j, "/", NULL), ERR_INVALID);
}

static void json_lines_are_read_with_their_numbers(void **state)
{
    (void)state;
    const char *text = "\xef\xbb\xbf{\"a\":1}\r\n\n  \n[2]\n\"x\\u0000y\"";
    jsonl *j = NULL;
    const json_t *document = NULL;
    assert_int_equal(jsonl_open_file(&j, file_of(text, strlen(text)), "f", NULL), ERR_OK);
    assert_int_equal(jsonl_next(j, &document, NULL), ERR_OK);
    assert_true(json_is_object(document));
    assert_int_equal(jsonl_line(j), 1);
    assert_int_equal(jsonl_next(j, &document, NULL), ERR_OK);
    assert_true(json_is_array(document));
    assert_int_equal(jsonl_line(j), 4);
    jsonl_close(j);
}

static void bad_json_is_refused_with_file_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"{}\n{\"a\":}\n", "f:2: column 6"}, {"{\"a\":1,\"a\":2}\n", "f:1: column"},
        {"{} {}\n", "f:1: column 4"},        {"{\"a\":\"\xff\"}\n", "f:1: column"},
        {"{\"a\":NaN}\n", "f:1: column"},    {"{\"a\":1e999}\n", "f:1: column"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        jsonl *j = NULL;
        const json_t *document = NULL;
        err e = ERR_INIT;
        assert_int_equal(
            jsonl_open_file(&j, file_of(cases[i].text, strlen(cases[i].text)), "f", NULL), ERR_OK);
        err_code code = ERR_OK;
        do {
            code = jsonl_next(j, &document, &e);
        } while (code == ERR_OK && document != NULL);
        assert_int_equal(code, ERR_INVALID);
        if (strstr(e.text, cases[i].told) == NULL) {
            fail_msg("expected \"%s\" in \"%s\"", cases[i].told, e.text);
        }
        jsonl_close(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recbole_header_loses_its_suffixes),
        cmocka_unit_test(quotes_hold_separators_line_ends_and_quotes),
        cmocka_unit_test(tabs_leave_quotes_and_commas_alone),
        cmocka_unit_test(lines_longer_than_the_buffers_are_whole),
        cmocka_unit_test(bad_text_is_refused_with_file_and_line),
        cmocka_unit_test(endless_lines_and_fields_are_refused),
        cmocka_unit_test(a_missing_file_is_told),
        cmocka_unit_test(json_lines_are_read_with_their_numbers),
        cmocka_unit_test(bad_json_is_refused_with_file_line_and_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
