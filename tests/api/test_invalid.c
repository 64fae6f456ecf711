/* SPDX-License-Identifier: Apache-2.0 */
/* Every bad request in tests/fixtures/invalid is refused with the status and the places in its
 * `problem` file, as a problem document, and the store's seq does not change.
 *
 * A case is a folder with two files. `request` has method and target, headers, an empty line, and
 * the bytes of the body. `problem` is
 * {"status","type","errors":[{"pointer"}|{"parameter"}],"detail": a part of the text}. The folder
 * `_setup` has the bodies that are posted first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/api_shop.h"

#define FOLDER "tests/fixtures/invalid"

enum { CASES_LEAST = 150, FILE_BYTES_MAX = 1 << 20 };

static char *read_file(const char *folder, const char *name, size_t *length)
{
    char path[1024];
    snprintf(path, sizeof path, FOLDER "/%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        print_error("%s: cannot be read\n", path);
        abort();
    }
    char *bytes = malloc(FILE_BYTES_MAX);
    *length = fread(bytes, 1, FILE_BYTES_MAX - 1, f);
    bytes[*length] = '\0';
    fclose(f);
    return bytes;
}

static int set_up(void **state)
{
    static const char *const bodies[][2] = {{"items.json", "/items"},
                                            {"interactions.json", "/interactions"}};
    api_shop *s = calloc(1, sizeof *s);
    shop_open(s, NULL);
    for (size_t i = 0; i < 2; i++) {
        size_t length;
        char *body = read_file("_setup", bodies[i][0], &length);
        assert_int_equal(shop_call(s, "POST", bodies[i][1], body), 200);
        free(body);
    }
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    shop_close(*state);
    free(*state);
    return 0;
}

/* parse splits the text of a request in place and borrows from it. */
static shop_request parse(char *text, size_t length)
{
    char *end = strstr(text, "\n\n");
    assert_non_null(end);
    shop_request r = {.body = end + 2, .body_length = length - (size_t)(end + 2 - text)};
    *end = '\0';
    if (r.body_length == 0) {
        r.body = NULL;
    }
    char *rest = text;
    char *line = strsep(&rest, "\n");
    r.method = strsep(&line, " ");
    r.target = line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *value = strstr(line, ": ");
        assert_non_null(value);
        *value = '\0';
        if (strcmp(line, "Content-Type") == 0) {
            r.content_type = value + 2;
        } else if (strcmp(line, "Idempotency-Key") == 0) {
            r.idempotency_key = value + 2;
        }
    }
    return r;
}

/* check reports on stderr and counts, so that one run shows every case that is wrong. */
static int check(api_shop *s, const char *name, const json_t *problem)
{
    int wrong = 0;
    const json_t *errors = json_object_get(problem, "errors");
    const json_t *got = shop_at(s, "errors");
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *type = s->response.content_type;
    unsigned status = (unsigned)json_integer_value(json_object_get(problem, "status"));
    wrong |= s->response.status != status;
    wrong |= type == NULL || strcmp(type, "application/problem+json") != 0;
    wrong |= !json_equal(shop_at(s, "type"), json_object_get(problem, "type"));
    wrong |= shop_at(s, "title") == NULL || shop_at(s, "request_id") == NULL;
    wrong |= (unsigned)json_integer_value(shop_at(s, "status")) != status;
    wrong |=
        detail != NULL && strstr(json_string_value(shop_at(s, "detail")) ?: "", detail) == NULL;
    if (errors != NULL) {
        wrong |= json_array_size(errors) != json_array_size(got);
        for (size_t i = 0; i < json_array_size(errors); i++) {
            const char *place = json_object_iter_key(json_object_iter(json_array_get(errors, i)));
            wrong |= !json_equal(json_object_get(json_array_get(errors, i), place),
                                 json_object_get(json_array_get(got, i), place));
        }
    }
    wrong |= (status == 405) != (s->response.allow != NULL);
    if (wrong) {
        char *wanted = json_dumps(problem, JSON_COMPACT);
        print_error("%s: wanted %s\n  got %u %.*s\n", name, wanted, s->response.status,
                    (int)(s->response.body.length < 600 ? s->response.body.length : 600),
                    s->response.body.at);
        free(wanted);
    }
    return wrong;
}

static void every_bad_request_is_refused_where_it_is_wrong_and_changes_nothing(void **state)
{
    api_shop *s = *state;
    uint64_t seq = shop_seq(s);
    size_t cases = 0, wrong = 0;
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    for (struct dirent *d = readdir(folder); d != NULL; d = readdir(folder)) {
        if (d->d_name[0] == '.' || d->d_name[0] == '_') {
            continue;
        }
        size_t length, problem_length;
        char *text = read_file(d->d_name, "request", &length);
        char *wanted = read_file(d->d_name, "problem", &problem_length);
        json_t *problem = json_loads(wanted, 0, NULL);
        assert_non_null(problem);
        shop_request r = parse(text, length);
        shop_send(s, &r);
        wrong += (size_t)check(s, d->d_name, problem);
        if (shop_seq(s) != seq) {
            print_error("%s: seq went from %lu to %lu\n", d->d_name, (unsigned long)seq,
                        (unsigned long)shop_seq(s));
            wrong++;
            seq = shop_seq(s);
        }
        json_decref(problem);
        free(wanted);
        free(text);
        cases++;
    }
    closedir(folder);
    print_message("%zu bad requests, %zu wrong\n", cases, wrong);
    assert_true(cases >= CASES_LEAST);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_bad_request_is_refused_where_it_is_wrong_and_changes_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
