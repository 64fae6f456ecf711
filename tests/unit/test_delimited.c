/* SPDX-License-Identifier: Apache-2.0 */
/* delimited and jsonl: reading text line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "core/common/mem.h"
#include "storage/import/delimited.h"
#include "storage/import/import_cells.h"
#include "storage/import/import_names.h"
#include "storage/import/jsonl.h"

static FILE *file_of(const char *text, size_t length)
{
    FILE *file = fmemopen((void *)(uintptr_t)text, length, "rb");
    assert_non_null(file);
    return file;
}

static err_code open_with(delimited **out, slice text, const delimited_options *options, err *e)
{
    text_source *source = NULL;
    *out = NULL;
    err_code code = text_source_take(&source, file_of(text.at, text.length), "f", e);
    return code == ERR_OK ? delimited_open(out, source, options, e) : code;
}

static delimited *open_named(const char *text, const char *header)
{
    delimited *d = NULL;
    err e = ERR_INIT;
    if (open_with(&d, slice_of(text), &(delimited_options){.header = header}, &e) != ERR_OK) {
        fail_msg("%s", e.text);
    }
    return d;
}

static delimited *open_text(const char *text)
{
    return open_named(text, NULL);
}

static jsonl *open_json(const char *text)
{
    text_source *source = NULL;
    jsonl *j = NULL;
    assert_int_equal(text_source_take(&source, file_of(text, strlen(text)), "f", NULL), ERR_OK);
    assert_true(text_source_is_json(source) || text[0] != '{');
    assert_int_equal(jsonl_open(&j, source, NULL), ERR_OK);
    return j;
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

static void refuse_by(err_code expected, const char *text, size_t length, const char *told)
{
    delimited *d = NULL;
    const slice *fields = NULL;
    err e = ERR_INIT;
    err_code code = open_with(&d, (slice){text, length}, &(delimited_options){0}, &e);
    while (code == ERR_OK) {
        code = delimited_next(d, &fields, &e);
        if (fields == NULL) {
            break;
        }
    }
    assert_int_equal(code, expected);
    if (strstr(e.text, told) == NULL) {
        fail_msg("expected \"%s\" in \"%s\"", told, e.text);
    }
    delimited_close(d);
}

static void refuse(const char *text, size_t length, const char *told)
{
    refuse_by(ERR_INVALID, text, length, told);
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
        {"\xef\xbb\xbf", "f:1: the file is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(cases[i].text, strlen(cases[i].text), cases[i].told);
    }
    refuse("a\0,b\n", 5, "f:1: a NUL byte in the first line");
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
    text_source *source = NULL;
    assert_int_equal(text_source_open(&source, "/nowhere/x.csv", NULL), ERR_NOT_FOUND);
    assert_int_equal(text_source_open(&source, "/", NULL), ERR_INVALID);
}

static void json_lines_are_read_with_their_numbers(void **state)
{
    (void)state;
    const char *text = "\xef\xbb\xbf{\"a\":1}\r\n\n  \n[2]\n\"x\\u0000y\"";
    jsonl *j = open_json(text);
    const json_t *document = NULL;
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
        jsonl *j = open_json(cases[i].text);
        const json_t *document = NULL;
        err e = ERR_INIT;
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

static void the_first_line_decides_the_separator(void **state)
{
    (void)state;
    static const struct {
        const char *text, *separator, *second;
    } cases[] = {
        {"a;b\n1,5;2\n", ";", "2"},       {"a::b\nx:y::2\n", "::", "2"},
        {"a|b\nx;y,z|2\n", "|", "2"},     {"a,b;c,d\n1,2,3\n", ",", "2"},
        {"\"a;b;c\",d\nx,2\n", ",", "2"}, {"a\tb,c;d\nx\t2\n", "\t", "2"},
        {"a::b\nx::\n", "::", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        delimited *d = open_text(cases[i].text);
        assert_string_equal(delimited_separator(d), cases[i].separator);
        expect(next(d)[1], cases[i].second);
        delimited_close(d);
    }
}

static void a_file_without_a_header_takes_the_callers(void **state)
{
    (void)state;
    delimited *d = open_named("1::a,b;c|d::3\n2::e::4\n", "user,item:token,time");
    assert_int_equal(delimited_columns(d), 3);
    expect(delimited_column(d, 1), "item");
    expect(next(d)[1], "a,b;c|d");
    assert_int_equal(delimited_line(d), 1);
    expect(next(d)[2], "4");
    delimited_close(d);
}

static void a_bad_line_is_left_behind(void **state)
{
    (void)state;
    const slice *f = NULL;
    delimited *d = open_text("a,b\n1\n2,\"x\"y,3\n4,5\n");
    assert_int_equal(delimited_next(d, &f, NULL), ERR_INVALID);
    assert_int_equal(delimited_next(d, &f, NULL), ERR_INVALID);
    f = next(d);
    expect(f[0], "4");
    assert_int_equal(delimited_line(d), 4);
    delimited_close(d);
}

static void line_ends_of_a_mac_are_line_ends(void **state)
{
    (void)state;
    delimited *d = open_text("a,b\r1,\"x\r\"\r3,4\r");
    expect(next(d)[1], "x\r");
    expect(next(d)[1], "4");
    assert_int_equal(delimited_line(d), 4);
    assert_null(next(d));
    delimited_close(d);
}

static void utf_16_becomes_utf_8(void **state)
{
    (void)state;
    /* "a,b", "\xc3\xa9,\xf0\x9f\x98\x80", and half a pair */
    static const unsigned char little[] = {0xff, 0xfe, 'a', 0,    ',', 0,    'b',  0, '\n',
                                           0,    0xe9, 0,   ',',  0,   0x3d, 0xd8, 0, 0xde,
                                           '\n', 0,    0,   0xdc, ',', 0,    'x',  0};
    unsigned char big[sizeof little];
    for (size_t i = 0; i < sizeof little; i += 2) {
        big[i] = little[i + 1];
        big[i + 1] = little[i];
    }
    for (int pass = 0; pass < 2; pass++) {
        delimited *d = NULL;
        slice text = {(const char *)(pass == 0 ? little : big), sizeof little};
        assert_int_equal(open_with(&d, text, &(delimited_options){0}, NULL), ERR_OK);
        const slice *f = next(d);
        expect(f[0], "\xc3\xa9");
        expect(f[1], "\xf0\x9f\x98\x80");
        expect(next(d)[0], "\xef\xbf\xbd");
        delimited_close(d);
    }
}

/* pack compresses `text` with gzip into two members, followed by padding. */
static size_t pack(const char *text, unsigned char *out, size_t room)
{
    size_t length = strlen(text);
    size_t used = 0;
    for (int member = 0; member < 2; member++) {
        size_t from = member == 0 ? 0 : length / 2;
        size_t to = member == 0 ? length / 2 : length;
        z_stream z = {0};
        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (unsigned char *)(uintptr_t)text + from;
        z.avail_in = (uInt)(to - from);
        z.next_out = out + used;
        z.avail_out = (uInt)(room - used);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        used = room - z.avail_out;
        deflateEnd(&z);
    }
    memset(out + used, 0, 16);
    return used + 16;
}

static void gzip_is_unpacked_and_damage_is_told(void **state)
{
    (void)state;
    unsigned char packed[512];
    size_t length = pack("a,b\n1,2\n3,4\n", packed, sizeof packed);
    delimited *d = NULL;
    slice text = {(const char *)packed, length};
    assert_int_equal(open_with(&d, text, &(delimited_options){0}, NULL), ERR_OK);
    expect(next(d)[1], "2");
    expect(next(d)[1], "4");
    assert_null(next(d));
    delimited_close(d);
    refuse_by(ERR_CORRUPT, (const char *)packed, length - 30, "the gzip stream is damaged");
    packed[12] ^= 0x55;
    refuse_by(ERR_CORRUPT, (const char *)packed, length, "gzip stream is damaged");
}

static void what_is_packed_otherwise_is_named(void **state)
{
    (void)state;
    refuse("PK\x03\x04 and more", 14, "f: a zip archive");
    refuse("PAR1.....", 9, "f: a Parquet file");
    refuse("\x28\xb5\x2f\xfd....", 8, "f: compressed by zstd");
}

static void a_number_keeps_its_text_or_the_column_is_text(void **state)
{
    (void)state;
    static const struct {
        const char *cells[4];
        bool keeps;
    } cases[] = {
        {{"1", "-2", "3.5"}, true},
        {{"19.90", "5.00", "20"}, true}, /* prices */
        {{"4.0", "3.25", "-0.5"}, true}, /* floats of a data frame */
        {{"1e-05", "2.5e+20"}, true},
        {{"0.1234567890123456", "9007199254740992"}, true},
        {{"1234567890123456789"}, false}, /* beyond 2^53 */
        {{"9007199254740993"}, false},
        {{"007"}, false},
        {{"+5"}, false},
        {{"-0"}, false},
        {{"1e5"}, false},         /* an article number */
        {{"1.1", "1.10"}, false}, /* versions */
        {{"0.12345678901234567890"}, false},
        {{"1", "x"}, false},
        {{"5."}, false},
        {{".5"}, false},
        {{"0x10"}, false},
        {{"nan"}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        number_facts facts = {0};
        for (size_t k = 0; k < 4 && cases[i].cells[k] != NULL; k++) {
            cell_note_number(&facts, slice_of(cases[i].cells[k]));
        }
        if (number_facts_keep(&facts) != cases[i].keeps) {
            fail_msg("case %zu: %s", i, cases[i].cells[0]);
        }
    }
}

static void lists_are_cut_as_their_column_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *cell, *entries[4];
    } cases[] = {
        {"Home & Kitchen", {"Home & Kitchen"}},
        {"a, b ,, a", {"a", "b"}},
        {"a|b, c", {"a", "b, c"}},
        {"['Men\\'s', 'Home, Garden', \"x\"]", {"Men\\'s", "Home, Garden", "x"}},
        {"'Books', 'Women's Fiction'", {"Books", "Women's Fiction"}},
        {"(no genres listed)", {NULL}},
        {"[]", {NULL}},
        {"[", {NULL}},
        {"'", {NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        slice list[8];
        list_form form = {0};
        cell_entries out = {.list = list, .most = 8, .bytes_max = 100};
        list_form_note(&form, slice_of(cases[i].cell));
        assert_int_equal(cell_list(slice_of(cases[i].cell), &form, &out, NULL), ERR_OK);
        size_t count = 0;
        for (; count < 4 && cases[i].entries[count] != NULL; count++) {
            if (count >= out.count) {
                fail_msg("%s: %u entries", cases[i].cell, out.count);
            }
            expect(list[count], cases[i].entries[count]);
        }
        if (out.count != count) {
            fail_msg("%s: %u entries", cases[i].cell, out.count);
        }
    }
}

static void times_need_an_offset_or_a_time_zone(void **state)
{
    (void)state;
    static const struct {
        const char *cell, *zone;
        double unit;
        int64_t seconds; /* -1 if refused */
        const char *told;
    } cases[] = {
        {"1714557600", NULL, 1.0, 1714557600, NULL},
        {"1714557600000", NULL, 1e-3, 1714557600, NULL},
        {"1714557600000", NULL, 1.0, -1, "--time-unit ms"},
        {"1714557600000000", NULL, 1.0, -1, "--time-unit us"},
        {"2024-05-01T12:00:00+02:00", "UTC", 1.0, 1714557600, NULL},
        {"2024-05-01 10:00:00", NULL, 1.0, -1, "--timezone"},
        {"2024-05-01 10:00:00", "UTC", 1.0, 1714557600, NULL},
        {"2024-05-01 12:00", "+02:00", 1.0, 1714557600, NULL},
        {"2024/05/01 12:00:00.75", "+0200", 1.0, 1714557600, NULL},
        {"2024-05-01", "-05:30", 1.0, 1714541400, NULL},
        {"2024-05-01 12:00:00", "Europe/Berlin", 1.0, 1714557600, NULL},
        {"2024-01-15 12:00:00", "Europe/Berlin", 1.0, 1705316400, NULL},
        {"2024-03-31 02:30:00", "Europe/Berlin", 1.0, 1711848600, NULL}, /* never shown */
        {"2024-10-27 02:30:00", "Europe/Berlin", 1.0, 1729989000, NULL}, /* shown twice */
        {"1950-06-01 00:00:00", "America/New_York", 1.0, -618091200, NULL},
        {"2024-02-30", "UTC", 1.0, -1, "expected RFC 3339"},
        {"2024-05-01 10:00:00 UTC", NULL, 1.0, 1714557600, NULL},
        {"2024-05-01 12:00:00 +0200", NULL, 1.0, 1714557600, NULL},
        {"2024-05-01T12:00+02", NULL, 1.0, 1714557600, NULL},
        {"Wed May 01 03:00:00 -0700 2024", NULL, 1.0, 1714557600, NULL},
        {"Wed, 1 May 2024 10:00:00 GMT", NULL, 1.0, 1714557600, NULL},
        {"May 1, 2024", "UTC", 1.0, 1714521600, NULL},
        {"1 may 2024 10:00", "UTC", 1.0, 1714557600, NULL},
        {"05 1, 2024", "UTC", 1.0, 1714521600, NULL},
        {"05 1, 2024", NULL, 1.0, -1, "--timezone"},
        {"20240501", "UTC", 1.0, 1714521600, NULL},
        {"20240501", NULL, 1.0, -1, "--timezone"},
        {"20240501", NULL, 1e-3, 20240, NULL}, /* a number in the given unit */
        {"20241332", NULL, 1.0, 20241332, NULL},
        {"05/01/2024", "UTC", 1.0, -1, "expected RFC 3339"},
        {"01.05.2024", "UTC", 1.0, -1, "expected RFC 3339"},
        {"05 1 2024", "UTC", 1.0, -1, "expected RFC 3339"},
        {"May May 2024 1", "UTC", 1.0, -1, "expected RFC 3339"},
        {"2024-05-01 10:00 UTC UTC", "UTC", 1.0, -1, "expected RFC 3339"},
        {"2024-05-01 25:00", "UTC", 1.0, -1, "expected RFC 3339"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        time_zone *zone = NULL;
        if (cases[i].zone != NULL) {
            assert_int_equal(time_zone_open(&zone, cases[i].zone, NULL), ERR_OK);
        }
        time_reading how = {cases[i].unit, zone, 1800000000};
        int64_t seconds = 0;
        err e = ERR_INIT;
        err_code code = cell_time(slice_of(cases[i].cell), &how, &seconds, &e);
        time_zone_close(zone);
        assert_int_equal(code == ERR_OK ? seconds : -1, cases[i].seconds);
        if (cases[i].told != NULL && strstr(e.text, cases[i].told) == NULL) {
            fail_msg("expected \"%s\" in \"%s\"", cases[i].told, e.text);
        }
    }
    static const char *const none[] = {"../../etc/passwd", "+15:00", "+2",      "",
                                       "/etc/passwd",      "Europe", "zone.tab"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        time_zone *zone = NULL;
        assert_int_equal(time_zone_open(&zone, none[i], NULL), ERR_INVALID);
    }
}

static void columns_are_known_by_the_names_of_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool items;
        import_role role;
        import_rank rank;
    } cases[] = {
        {"userId", false, ROLE_USER, RANK_OWN},
        {"USER", false, ROLE_USER, RANK_OWN},
        {"movieId", false, ROLE_ITEM, RANK_OTHER},
        {"movieId", true, ROLE_ITEM, RANK_OTHER},
        {"parent_asin", false, ROLE_ITEM, RANK_OTHER},
        {"asin", false, ROLE_ITEM, RANK_LATE},
        {"reviewTime", false, ROLE_TIME, RANK_LATE},
        {"unixReviewTime", false, ROLE_TIME, RANK_OTHER},
        {"artist-id", false, ROLE_ITEM, RANK_OTHER},
        {"visitorid", false, ROLE_USER, RANK_OTHER},
        {"event", false, ROLE_TYPE, RANK_OTHER},
        {"genres", true, ROLE_CATEGORIES, RANK_OTHER},
        {"genres", false, ROLE_NONE, RANK_NONE},
        {"id", true, ROLE_ITEM, RANK_OWN},
        {"id", false, ROLE_NONE, RANK_NONE},
        {"x_label", false, ROLE_SPLIT, RANK_OWN},
        {"", false, ROLE_NONE, RANK_NONE},
        {"timestamp", true, ROLE_NONE, RANK_NONE},
        {"hidden", true, ROLE_HIDDEN, RANK_OWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        import_rank rank = RANK_NONE;
        assert_int_equal(import_role_of(slice_of(cases[i].name), cases[i].items, &rank),
                         cases[i].role);
        assert_int_equal(rank, cases[i].rank);
    }
    assert_int_equal(import_role_named(slice_of("id")), ROLE_ITEM);
    assert_int_equal(import_role_named(slice_of("weight")), ROLE_WEIGHT);
    assert_int_equal(import_role_named(slice_of("colour")), ROLE_NONE);
}

/* Like all tests, this one runs in the folder of the sources. */
static void the_document_has_the_table_of_names(void **state)
{
    (void)state;
    char table[8192] = "";
    char document[32768] = "";
    FILE *written = fmemopen(table, sizeof table, "w");
    import_names_list(written);
    fclose(written);
    FILE *file = fopen("docs/formats.md", "r");
    assert_non_null(file);
    assert_true(fread(document, 1, sizeof document - 1, file) > strlen(table));
    fclose(file);
    if (strstr(document, table) == NULL) {
        fail_msg("docs/formats.md lacks the table:\n%s", table);
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
        cmocka_unit_test(the_first_line_decides_the_separator),
        cmocka_unit_test(a_file_without_a_header_takes_the_callers),
        cmocka_unit_test(a_bad_line_is_left_behind),
        cmocka_unit_test(line_ends_of_a_mac_are_line_ends),
        cmocka_unit_test(utf_16_becomes_utf_8),
        cmocka_unit_test(gzip_is_unpacked_and_damage_is_told),
        cmocka_unit_test(what_is_packed_otherwise_is_named),
        cmocka_unit_test(a_number_keeps_its_text_or_the_column_is_text),
        cmocka_unit_test(lists_are_cut_as_their_column_is_written),
        cmocka_unit_test(times_need_an_offset_or_a_time_zone),
        cmocka_unit_test(columns_are_known_by_the_names_of_the_field),
        cmocka_unit_test(the_document_has_the_table_of_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
