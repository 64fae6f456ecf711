/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines that cannot be forged, metrics that add up, keys that are compared completely, and
 * decisions about a request before its body. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/http/admission.h"
#include "server/http/client.h"
#include "server/http/keys.h"
#include "server/telemetry/log.h"
#include "server/telemetry/metrics.h"

/* --- log ---------------------------------------------------------------------------------- */

static void a_log_line_is_logfmt_and_a_value_cannot_leave_its_field(void **state)
{
    char line[LOG_LINE_MAX];
    (void)state;
    const log_field fields[] = {
        log_text("plain", "abc"),
        log_text("evil", "x\" level=error\nevent=forged"),
        log_text("none", NULL),
        log_text("empty", ""),
        log_int("n", -3),
        log_real("r", 0.25),
        log_bool("yes", true),
        log_text("utf8", "caf\xc3\xa9"),
        log_text("escape", "\x1b[2J\\"),
    };
    log_format(line, sizeof line, 1700000000123, LOG_WARN, "thing", fields,
               sizeof fields / sizeof fields[0]);
    assert_string_equal(line, "time=2023-11-14T22:13:20.123Z level=warn event=thing plain=abc "
                              "evil=\"x\\\" level=error\\nevent=forged\" none= empty=\"\" n=-3 "
                              "r=0.25 yes=true utf8=caf\xc3\xa9 escape=\"\\x1b[2J\\\\\"");
}

static void a_long_log_line_is_cut_between_fields(void **state)
{
    char line[128];
    char text[200];
    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const log_field fields[] = {log_int("first", 1), log_text("long", text), log_int("last", 2)};
    size_t length = log_format(line, sizeof line, 0, LOG_INFO, "e", fields, 3);
    assert_int_equal(length, strlen(line));
    assert_string_equal(line, "time=1970-01-01T00:00:00.000Z level=info event=e first=1");
}

/* --- metrics ------------------------------------------------------------------------------ */

static const metric_info info_asks = {"test_asks_total",   "Asks.", METRIC_COUNTER,
                                      {"route", "status"}, NULL,    0};
static const metric_info info_level = {"test_level", "Level.", METRIC_GAUGE, {NULL}, NULL, 0};
static const double bounds[] = {1, 2, 4};
static const metric_info info_size = {"test_size", "Size.", METRIC_HISTOGRAM, {NULL}, bounds, 3};

static bool has(const buffer *text, const char *line)
{
    return memmem(text->at, text->length, line, strlen(line)) != NULL;
}

static void metrics_render_as_prometheus_text(void **state)
{
    metrics *m = NULL;
    metric *asks = NULL;
    metric *level = NULL;
    metric *size = NULL;
    buffer text;
    (void)state;
    assert_int_equal(metrics_new(&m, NULL), ERR_OK);
    assert_int_equal(metrics_add(m, &info_asks, &asks, NULL), ERR_OK);
    assert_int_equal(metrics_add(m, &info_level, &level, NULL), ERR_OK);
    assert_int_equal(metrics_add(m, &info_size, &size, NULL), ERR_OK);
    metric_count(metric_at(asks, "/a\"\\\n", "200", NULL), 3);
    metric_set(metric_only(level), -1.5);
    metric_observe(metric_only(size), 2); /* a bound belongs to its own bucket */
    metric_observe(metric_only(size), 2.5);
    metric_observe(metric_only(size), 9);
    buffer_init(&text, 1 << 20);
    metrics_render(m, &text);
    assert_true(has(&text, "# TYPE test_asks_total counter\n"));
    assert_true(has(&text, "test_asks_total{route=\"/a\\\"\\\\\\n\",status=\"200\"} 3\n"));
    assert_true(has(&text, "test_level -1.5\n"));
    assert_true(has(&text, "test_size_bucket{le=\"1\"} 0\n"));
    assert_true(has(&text, "test_size_bucket{le=\"2\"} 1\n"));
    assert_true(has(&text, "test_size_bucket{le=\"4\"} 2\n"));
    assert_true(has(&text, "test_size_bucket{le=\"+Inf\"} 3\n"));
    assert_true(has(&text, "test_size_sum 13.5\ntest_size_count 3\n"));
    buffer_fini(&text);
    metrics_free(m);
}

enum { COUNTING_THREADS = 8, COUNTS = 20000 };

static void *count_much(void *ctx)
{
    metric *asks = ctx;
    for (int i = 0; i < COUNTS; i++) {
        char route[16];
        snprintf(route, sizeof route, "/%d", i % 7);
        metric_count(metric_at(asks, route, "200", NULL), 1);
    }
    return NULL;
}

static void nothing_is_lost_when_threads_count_at_once(void **state)
{
    metrics *m = NULL;
    metric *asks = NULL;
    pthread_t threads[COUNTING_THREADS];
    uint64_t total = 0;
    (void)state;
    assert_int_equal(metrics_new(&m, NULL), ERR_OK);
    assert_int_equal(metrics_add(m, &info_asks, &asks, NULL), ERR_OK);
    for (int i = 0; i < COUNTING_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, asks), 0);
    }
    for (int i = 0; i < COUNTING_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 7; i++) {
        char route[16];
        snprintf(route, sizeof route, "/%d", i);
        total += metric_total(metric_at(asks, route, "200", NULL));
    }
    assert_int_equal(total, COUNTING_THREADS * COUNTS);
    metrics_free(m);
}

static void the_number_of_series_is_bounded(void **state)
{
    metrics *m = NULL;
    metric *asks = NULL;
    buffer text;
    size_t lines = 0;
    (void)state;
    assert_int_equal(metrics_new(&m, NULL), ERR_OK);
    assert_int_equal(metrics_add(m, &info_asks, &asks, NULL), ERR_OK);
    for (int i = 0; i < 3 * METRIC_SERIES_MAX; i++) {
        char route[16];
        snprintf(route, sizeof route, "/%d", i);
        metric_count(metric_at(asks, route, "404", NULL), 1);
    }
    buffer_init(&text, 1 << 20);
    metrics_render(m, &text);
    for (size_t i = 0; i < text.length; i++) {
        lines += text.at[i] == '\n' ? 1 : 0;
    }
    assert_int_equal(lines, METRIC_SERIES_MAX + 2);
    buffer_fini(&text);
    metrics_free(m);
}

/* --- keys --------------------------------------------------------------------------------- */

static void make_path(char path[64])
{
    snprintf(path, 64, "/tmp/stair-keys-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
}

static void a_key_that_was_made_is_known_by_its_role_and_by_nothing_else(void **state)
{
    char path[64];
    char reader[KEY_TEXT_MAX];
    char admin[KEY_TEXT_MAX];
    char near_miss[KEY_TEXT_MAX];
    const char *name = NULL;
    keys *k = NULL;
    struct stat info;
    (void)state;
    make_path(path);
    assert_int_equal(key_make(path, "shop", API_READ, reader, NULL), ERR_OK);
    assert_int_equal(key_make(path, "boss", API_ADMIN, admin, NULL), ERR_OK);
    assert_int_equal(key_make(path, "shop", API_READ, near_miss, NULL), ERR_CONFLICT);
    assert_int_equal(key_make(path, "a b", API_READ, near_miss, NULL), ERR_INVALID);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(keys_new(&k, path, NULL), ERR_OK);
    assert_int_equal(keys_count(k), 2);
    assert_int_equal(keys_check(k, slice_of(reader), &name), API_READ);
    assert_string_equal(name, "shop");
    assert_int_equal(keys_check(k, slice_of(admin), &name), API_ADMIN);
    assert_string_equal(name, "boss");
    snprintf(near_miss, sizeof near_miss, "%s", admin);
    near_miss[strlen(near_miss) - 1] ^= 1;
    assert_int_equal(keys_check(k, slice_of(near_miss), &name), API_OPEN);
    assert_null(name);
    slice shorter = {admin, strlen(admin) - 1};
    assert_int_equal(keys_check(k, shorter, &name), API_OPEN);
    assert_int_equal(keys_check(k, (slice){NULL, 0}, &name), API_OPEN);
    keys_free(k);
    unlink(path);
}

static void a_bad_keys_file_is_refused_by_line_and_leaves_the_old_keys(void **state)
{
    static const char *const bad[] = {
        "shop read\n",
        "shop root 0123\n",
        "shop read zz\n",
        "a/b read 00\n",
        "shop read 0000000000000000000000000000000000000000000000000000000000000000 more\n",
    };
    char path[64];
    char key[KEY_TEXT_MAX];
    keys *k = NULL;
    (void)state;
    make_path(path);
    assert_int_equal(key_make(path, "shop", API_WRITE, key, NULL), ERR_OK);
    assert_int_equal(keys_new(&k, path, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err e = ERR_INIT;
        const char *name;
        char place[80];
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "# comment\n%s", bad[i]);
        fclose(file);
        assert_int_equal(keys_load(k, &e), ERR_INVALID);
        snprintf(place, sizeof place, "%s:2: ", path);
        assert_memory_equal(e.text, place, strlen(place));
        assert_int_equal(keys_check(k, slice_of(key), &name), API_WRITE);
    }
    keys_free(k);
    unlink(path);
}

/* --- admission ---------------------------------------------------------------------------- */

static admission_request sound(void)
{
    admission_request r = {.method = slice_of("GET"),
                           .target = slice_of("/popular"),
                           .host = slice_of("localhost:8080"),
                           .hosts = 1};
    return r;
}

static const api_route read_route = {"/popular", API_READ, false, 1000, true, NULL, 0};
static const api_route open_route = {"/health", API_OPEN, false, 1000, true, NULL, 0};

static unsigned status_of(admission *a, const admission_request *r, const api_route *route)
{
    admission_answer answer;
    admission_check(a, r, route, 1, &answer);
    return answer.status;
}

static void requests_that_could_be_read_in_two_ways_are_refused(void **state)
{
    admission a;
    const admission_options options = {.bodies_bytes_max = 1000};
    admission_init(&a, &options);
    (void)state;
    admission_request r = sound();
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    r.content_lengths = 2;
    r.content_length = slice_of("5");
    assert_int_equal(status_of(&a, &r, &read_route), 400);
    r.content_lengths = 1;
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    r.transfer_encoding = slice_of("chunked");
    assert_int_equal(status_of(&a, &r, &read_route), 400);
    r.content_lengths = 0;
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    r.transfer_encoding = slice_of("gzip, chunked");
    assert_int_equal(status_of(&a, &r, &read_route), 400);
    r = sound();
    static const char *const bad_lengths[] = {"", "-1", "+1", "1 ", "0x1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad_lengths / sizeof bad_lengths[0]; i++) {
        r.content_lengths = 1;
        r.content_length = slice_of(bad_lengths[i]);
        assert_int_equal(status_of(&a, &r, &read_route), 400);
    }
    r = sound();
    r.target = slice_of("/a b");
    assert_int_equal(status_of(&a, &r, &read_route), 400);
    static const char *const bad_targets[] = {
        "",         "popular",      "*",          "ftp://x/",  "http:/x/", "http://", "http:///",
        "http://x", "http://x?a=/", "http://x#/", "http://x /"};
    for (size_t i = 0; i < sizeof bad_targets / sizeof bad_targets[0]; i++) {
        r.target = slice_of(bad_targets[i]);
        assert_int_equal(status_of(&a, &r, &read_route), 400);
    }
    static const char *const good_targets[] = {"/", "http://x/", "HTTPS://x:1/popular?k=1"};
    for (size_t i = 0; i < sizeof good_targets / sizeof good_targets[0]; i++) {
        r.target = slice_of(good_targets[i]);
        assert_int_equal(status_of(&a, &r, &read_route), 0);
    }
    r = sound();
    r.hosts = 2;
    assert_int_equal(status_of(&a, &r, &read_route), 400);
    r.hosts = 0;
    assert_int_equal(status_of(&a, &r, &read_route), 400);
    r.http_1_0 = true;
    assert_int_equal(status_of(&a, &r, &read_route), 0);
}

static void what_is_too_large_is_named_with_its_limit(void **state)
{
    admission a;
    const admission_options options = {.bodies_bytes_max = 1000};
    char long_target[ADMISSION_TARGET_BYTES_MAX + 2];
    admission_init(&a, &options);
    (void)state;
    admission_request r = sound();
    memset(long_target, 'a', sizeof long_target - 1);
    long_target[0] = '/';
    long_target[sizeof long_target - 1] = '\0';
    r.target = slice_of(long_target);
    assert_int_equal(status_of(&a, &r, &read_route), 414);
    r.target.length--;
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    r = sound();
    r.header_bytes = ADMISSION_HEADER_BYTES_MAX + 1;
    assert_int_equal(status_of(&a, &r, &read_route), 431);
    r.header_bytes = 1000;
    r.header_lines = ADMISSION_HEADER_LINES_MAX;
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    r.header_lines++;
    assert_int_equal(status_of(&a, &r, &read_route), 431);
    r = sound();
    r.content_lengths = 1;
    r.content_length = slice_of("1001");
    admission_answer answer;
    admission_check(&a, &r, &read_route, 1, &answer);
    assert_int_equal(answer.status, 413);
    assert_non_null(strstr(answer.detail, "1000"));
    assert_null(strstr(answer.detail, "body_bytes_max")); /* it applies to calls with a body */
    static const api_route write_route = {"/items", API_WRITE, true, 1000, true, NULL, 0};
    admission_check(&a, &r, &write_route, 1, &answer);
    assert_int_equal(answer.status, 413);
    assert_non_null(strstr(answer.detail, "body_bytes_max"));
    static const api_route no_route = {"none", API_READ, false, 1000, false, NULL, 0};
    assert_int_equal(status_of(&a, &r, &no_route), 0);
    r.content_length = slice_of("1000");
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    assert_true(budget_take(&a.bodies, 7, 750));
    assert_false(budget_take(&a.bodies, 7, 1)); /* one caller's share is three quarters */
    assert_true(budget_take(&a.bodies, 8, 250));
    assert_false(budget_take(&a.bodies, 9, 1));
    budget_give(&a.bodies, 7, 750);
    assert_true(budget_take(&a.bodies, 9, 1));
    assert_int_equal(budget_taken(&a.bodies), 251);
    assert_false(budget_take(&a.bodies, 1, UINT64_MAX));
    assert_int_equal(budget_taken(&a.bodies), 251);
}

static void a_body_that_is_compressed_is_refused_by_name(void **state)
{
    static const api_route write_route = {"/items", API_WRITE, true, 1000, true, NULL, 0};
    admission a;
    const admission_options options = {.bodies_bytes_max = 1000};
    admission_answer answer;
    admission_init(&a, &options);
    (void)state;
    admission_request r = sound();
    r.content_lengths = 1;
    r.content_length = slice_of("5");
    r.content_encoding = slice_of("gzip");
    admission_check(&a, &r, &write_route, 1, &answer);
    assert_int_equal(answer.status, 415);
    assert_non_null(strstr(answer.detail, "gzip"));
    assert_int_equal(status_of(&a, &r, &read_route), 0); /* its body is ignored */
    r.content_encoding = slice_of("\xff\n");
    admission_check(&a, &r, &write_route, 1, &answer);
    assert_int_equal(answer.status, 415);
    assert_null(strchr(answer.detail, '\n'));
    r.content_encoding = slice_of("Identity");
    assert_int_equal(status_of(&a, &r, &write_route), 0);
    r.content_encoding = slice_of("gzip");
    r.content_length = slice_of("0");
    assert_int_equal(status_of(&a, &r, &write_route), 0);
}

static void on_loopback_only_loopback_names_are_hosts(void **state)
{
    static const char *const good[] = {"localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:80"};
    static const char *const bad[] = {
        "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "localhost:80x", "",
        "localhost:"};
    admission a;
    const admission_options options = {.check_host = true, .bodies_bytes_max = 1000};
    admission_init(&a, &options);
    (void)state;
    admission_request r = sound();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        r.host = slice_of(good[i]);
        assert_int_equal(status_of(&a, &r, &open_route), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        r.host = slice_of(bad[i]);
        assert_int_equal(status_of(&a, &r, &open_route), 403);
    }
    r = sound();
    r.target = slice_of("http://localhost:1/popular");
    assert_int_equal(status_of(&a, &r, &open_route), 0);
    r.target = slice_of("http://evil.example/popular"); /* it overrides a good header */
    assert_int_equal(status_of(&a, &r, &open_route), 403);
    r.target = slice_of("http://localhost@evil.example/popular");
    assert_int_equal(status_of(&a, &r, &open_route), 403);
}

static void a_role_is_enough_for_its_routes_and_those_below(void **state)
{
    static const api_route write_route = {"/items", API_WRITE, true, 1000, true, NULL, 0};
    char path[64];
    char text[KEY_TEXT_MAX];
    char bearer[KEY_TEXT_MAX + 16];
    keys *k = NULL;
    admission a;
    (void)state;
    make_path(path);
    assert_int_equal(key_make(path, "shop", API_READ, text, NULL), ERR_OK);
    assert_int_equal(keys_new(&k, path, NULL), ERR_OK);
    const admission_options options = {.keys = k, .bodies_bytes_max = 1000};
    admission_init(&a, &options);
    admission_request r = sound();
    assert_int_equal(status_of(&a, &r, &read_route), 401);
    assert_int_equal(status_of(&a, &r, &open_route), 0);
    r.api_key = slice_of(text);
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    assert_int_equal(status_of(&a, &r, &write_route), 403);
    r.api_key = (slice){NULL, 0};
    snprintf(bearer, sizeof bearer, "Bearer %s", text);
    r.authorization = slice_of(bearer);
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    r.authorization = slice_of("Bearer ");
    assert_int_equal(status_of(&a, &r, &read_route), 401);
    r.admin = true; /* the private address requires none */
    assert_int_equal(status_of(&a, &r, &read_route), 0);
    keys_free(k);
    unlink(path);
}

static void the_rate_is_kept_and_tells_when_to_come_back(void **state)
{
    admission a;
    const admission_options options = {
        .rate_per_second = 10, .rate_burst = 3, .bodies_bytes_max = 1000};
    admission_request r = sound();
    admission_answer answer;
    const uint64_t second = 1000000000;
    unsigned taken = 0;
    (void)state;
    admission_init(&a, &options);
    for (int i = 0; i < 5; i++) {
        admission_check(&a, &r, &read_route, 100 * second, &answer);
        taken += answer.status == 0 ? 1 : 0;
    }
    assert_int_equal(taken, 3);
    assert_int_equal(answer.status, 429);
    assert_int_equal(answer.retry_after_seconds, 1);
    assert_int_equal(status_of(&a, &r, &open_route), 0); /* health is never limited */
    taken = 0;
    for (int i = 1; i <= 1000; i++) { /* 10 s of 100 a second */
        admission_check(&a, &r, &read_route, 100 * second + (uint64_t)i * second / 100, &answer);
        taken += answer.status == 0 ? 1 : 0;
    }
    assert_in_range(taken, 99, 101);
}

static void a_request_id_is_taken_over_only_if_it_is_harmless(void **state)
{
    char id[ADMISSION_REQUEST_ID_MAX + 1];
    char other[ADMISSION_REQUEST_ID_MAX + 1];
    char long_id[ADMISSION_REQUEST_ID_MAX + 2];
    (void)state;
    admission_request_id(slice_of("abc-1.2_3"), id);
    assert_string_equal(id, "abc-1.2_3");
    admission_request_id(slice_of("a b"), id);
    assert_int_equal(strlen(id), 16);
    admission_request_id(slice_of("a\r\nX: y"), other);
    assert_int_equal(strlen(other), 16);
    assert_string_not_equal(id, other);
    memset(long_id, 'a', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    admission_request_id(slice_of(long_id), id);
    assert_int_equal(strlen(id), 16);
}

static void the_client_is_the_last_address_that_no_trusted_proxy_has(void **state)
{
    static const struct {
        const char *peer, *forwarded, *client;
    } cases[] = {
        {"10.1.2.3", "203.0.113.7", "203.0.113.7"},
        {"10.1.2.3", "203.0.113.7, 10.9.9.9", "203.0.113.7"},
        {"10.1.2.3", "198.51.100.1, 203.0.113.7,\t10.9.9.9 ", "203.0.113.7"},
        {"10.1.2.3", "10.0.0.1, 10.0.0.2", "10.0.0.1"},
        {"10.1.2.3", "forged\nline", "10.1.2.3"},
        {"10.1.2.3", "203.0.113.7, ", "10.1.2.3"},
        {"10.1.2.3", "", "10.1.2.3"},
        {"11.1.2.3", "203.0.113.7", "11.1.2.3"},
        {"fd00::5", "2001:db8::1", "2001:db8::1"},
        {"fd01::5", "2001:db8::1", "fd01::5"},
        {"192.168.0.129", "203.0.113.7", "203.0.113.7"},
        {"192.168.0.127", "203.0.113.7", "192.168.0.127"},
    };
    static const char *const wrong[] = {"10.0.0.0/33", "10.0.0",    "x",
                                        "::1/129",     "10.0.0.0/", "a,b"};
    client_proxies p;
    (void)state;
    assert_int_equal(client_proxies_parse(&p, "10.0.0.0/8,192.168.0.128/25,fd00::/16", NULL),
                     ERR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char client[CLIENT_TEXT_MAX];
        client_of(&p, cases[i].peer, slice_of(cases[i].forwarded), client);
        assert_string_equal(client, cases[i].client);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(client_proxies_parse(&p, wrong[i], NULL), ERR_INVALID);
    }
    assert_int_equal(client_proxies_parse(&p, NULL, NULL), ERR_OK);
    assert_int_equal(p.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_the_last_address_that_no_trusted_proxy_has),
        cmocka_unit_test(a_log_line_is_logfmt_and_a_value_cannot_leave_its_field),
        cmocka_unit_test(a_long_log_line_is_cut_between_fields),
        cmocka_unit_test(metrics_render_as_prometheus_text),
        cmocka_unit_test(nothing_is_lost_when_threads_count_at_once),
        cmocka_unit_test(the_number_of_series_is_bounded),
        cmocka_unit_test(a_key_that_was_made_is_known_by_its_role_and_by_nothing_else),
        cmocka_unit_test(a_bad_keys_file_is_refused_by_line_and_leaves_the_old_keys),
        cmocka_unit_test(requests_that_could_be_read_in_two_ways_are_refused),
        cmocka_unit_test(what_is_too_large_is_named_with_its_limit),
        cmocka_unit_test(a_body_that_is_compressed_is_refused_by_name),
        cmocka_unit_test(on_loopback_only_loopback_names_are_hosts),
        cmocka_unit_test(a_role_is_enough_for_its_routes_and_those_below),
        cmocka_unit_test(the_rate_is_kept_and_tells_when_to_come_back),
        cmocka_unit_test(a_request_id_is_taken_over_only_if_it_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
