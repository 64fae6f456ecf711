/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of an external log: encoded and decoded, applied once in any order, with positions that
 * advance and a clock that neither jumps nor goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/log/log_private.h"
#include "storage/log/message.h"
#include "storage/maintenance/check.h"
#include "tests/support/store_fixture.h"

enum { DAY = 24 * 60 * 60, NOW = 1700000000 };

typedef struct world {
    char folder[TEMP_PATH_MAX];
    store *s;
} world;

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    temp_folder(w->folder);
    w->s = open_store(w->folder);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    check_options nobody = {0};
    check_report report;
    assert_int_equal(check_run(w->s, &nobody, &report, NULL), ERR_OK);
    assert_int_equal(report.problems, 0);
    store_close(w->s);
    temp_remove(w->folder);
    free(w);
    return 0;
}

static const unsigned char publisher[PUBLISHER_BYTES] = "0123456789abcde";

static err_code answer_of(const op *o, const apply_result *result, arena *a, uint16_t *status,
                          slice *body, err *e)
{
    (void)e;
    *status = result->code == ERR_OK ? 201 : 409;
    *body = arena_slice(a, o->answer.request_id);
    return ERR_OK;
}

static op *keyed(op *o, const char *key, int64_t time)
{
    o->time = time;
    o->idempotency_key = arena_slice(&o->memory, slice_of(key));
    o->answer.request_id = slice_of("first");
    o->render = answer_of;
    return o;
}

/* send_by sends one op through the bytes of a publisher's message and applies it. It returns the
 * result's code, and tells whether it was a repeat of an Idempotency-Key. */
static err_code send_by(store *s, const unsigned char by[PUBLISHER_BYTES], op *o, uint64_t number,
                        bool *replayed)
{
    message *m = NULL;
    apply_result result;
    encoder x;
    encoder_init(&x, 1 << 20);
    message_encode(by, number, (const op *const *)&o, 1, &x);
    assert_int_equal(message_decode(&m, encoder_slice(&x), answer_of, NULL), ERR_OK);
    apply_message borrowed = message_borrow(m, slice_of("1"));
    apply_result_init(&result);
    assert_int_equal(apply_messages(s, &borrowed, 1, &result, NULL), ERR_OK);
    err_code code = result.code;
    *replayed = result.replayed;
    apply_result_fini(&result);
    message_free(m);
    encoder_fini(&x);
    op_free(o);
    return code;
}

/* send sends one op through the bytes of a message and applies it. It returns the result's code. */
static err_code send(store *s, op *o, uint64_t number, const char *position, bool *dropped)
{
    message *m = NULL;
    apply_result result;
    encoder x;
    encoder_init(&x, 1 << 20);
    message_encode(publisher, number, (const op *const *)&o, 1, &x);
    assert_int_equal(encoder_check(&x, "message", NULL), ERR_OK);
    assert_int_equal(message_decode(&m, encoder_slice(&x), answer_of, NULL), ERR_OK);
    apply_message borrowed = message_borrow(m, slice_of(position));
    apply_result_init(&result);
    assert_int_equal(apply_messages(s, &borrowed, 1, &result, NULL), ERR_OK);
    err_code code = result.code;
    *dropped = result.dropped;
    apply_result_fini(&result);
    message_free(m);
    encoder_fini(&x);
    op_free(o);
    return code;
}

static store_info stat_of(store *s)
{
    store_info info;
    assert_int_equal(store_stat(s, &info, NULL), ERR_OK);
    return info;
}

static void every_message_moves_the_position_and_a_repeat_changes_nothing_else(void **state)
{
    world *w = *state;
    bool dropped = false;
    assert_int_equal(send(w->s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), 1, "10", &dropped),
                     ERR_OK);
    assert_int_equal(stat_of(w->s).seq, 1);
    assert_string_equal(stat_of(w->s).external, "10");
    /* Every op is refused: there is no seq, but the position advances. */
    assert_int_equal(send(w->s, op_delete_item("nobody"), 2, "11", &dropped), ERR_NOT_FOUND);
    assert_false(dropped);
    assert_int_equal(stat_of(w->s).seq, 1);
    assert_string_equal(stat_of(w->s).external, "11");
    assert_int_equal(send(w->s, op_delete_item("a"), 1, "12", &dropped), ERR_CONFLICT);
    assert_true(dropped);
    assert_int_equal(stat_of(w->s).items, 1);
    assert_string_equal(stat_of(w->s).external, "12");
}

static void messages_that_come_out_of_order_are_each_applied_once(void **state)
{
    world *w = *state;
    static const uint64_t order[] = {3, 1, 5, 1, 2, 3, 4, 5, 70, 6, 7, 70};
    /* once 70 has come, 6 is outside the window and 7 is its last number */
    static const bool repeat[] = {0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        bool dropped = false;
        op *o = op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0);
        (void)!send(w->s, o, order[i], "1", &dropped);
        assert_int_equal(dropped, repeat[i]);
    }
    assert_int_equal(stat_of(w->s).seq, 7);
}

static bool replays(store *s, const char *key, int64_t time)
{
    apply_result result;
    op *o = keyed(op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), key, time);
    apply_result_init(&result);
    assert_int_equal(apply_one(s, o, &result, NULL), ERR_OK);
    bool replayed = result.replayed;
    apply_result_fini(&result);
    op_free(o);
    return replayed;
}

static void a_write_under_a_clock_years_ahead_takes_no_answer_of_the_last_day(void **state)
{
    world *w = *state;
    const int64_t ahead = (int64_t)NOW + 30 * 365 * (int64_t)DAY;
    uint64_t first = 0, last = 0;
    store_read *r = NULL;
    assert_false(replays(w->s, "early", NOW));
    assert_false(replays(w->s, "late", NOW + DAY / 2));
    assert_false(replays(w->s, "wrong", ahead));
    assert_true(replays(w->s, "early", NOW + DAY / 2 + 10));
    assert_true(replays(w->s, "late", NOW + DAY / 2 + 10));
    assert_int_equal(store_read_begin(w->s, &r, NULL), ERR_OK);
    assert_int_equal(oplog_range(r, &first, &last, NULL), ERR_OK);
    store_read_end(r);
    assert_int_equal(first, 1);
    assert_int_equal(last, 3);
    /* The key of that write expires too. */
    for (int day = 1; day <= 3; day++) {
        assert_false(replays(w->s, "daily", NOW + day * DAY + DAY / 2));
    }
    assert_false(replays(w->s, "wrong", NOW + 4 * DAY));
}

/* There are three nodes. The clock of one is a year ahead, and it restarts between its writes. */
static void a_node_a_year_ahead_expires_no_key_of_the_others(void **state)
{
    world *w = *state;
    const int64_t ahead = (int64_t)NOW + 365 * (int64_t)DAY;
    unsigned char sane[PUBLISHER_BYTES] = "node-a..start-1",
                  other[PUBLISHER_BYTES] = "node-b..start-1",
                  wrong[PUBLISHER_BYTES] = "node-c..start-1";
    bool replayed = false;
    char id[8];
    assert_int_equal(send_by(w->s, other,
                             keyed(op_put_item(OP_ITEMS_PUT, "o", NULL, NULL, 0), "other", NOW), 1,
                             &replayed),
                     ERR_OK);
    op *o = op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0);
    assert_int_equal(send_by(w->s, sane, keyed(o, "key", NOW), 1, &replayed), ERR_OK);
    assert_false(replayed);
    for (int i = 0; i < 50; i++) {
        wrong[PUBLISHER_BYTES - 2] = (unsigned char)('0' + i / 5);
        snprintf(id, sizeof id, "w%d", i);
        o = op_put_item(OP_ITEMS_PUT, id, NULL, NULL, 0);
        o->time = ahead + i;
        assert_int_equal(send_by(w->s, wrong, o, (uint64_t)i % 5 + 1, &replayed), ERR_OK);
    }
    o = op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0);
    (void)send_by(w->s, wrong, keyed(o, "key", ahead + 100), 60, &replayed);
    assert_true(replayed);
    o = op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0);
    (void)send_by(w->s, sane, keyed(o, "key", NOW + 60), 2, &replayed);
    assert_true(replayed);
    /* By the clocks of two nodes, the key is free a day later. */
    o = op_put_item(OP_ITEMS_PUT, "o", NULL, NULL, 0);
    o->time = NOW + DAY + 2 * 3600;
    (void)send_by(w->s, other, o, 2, &replayed);
    o = op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0);
    (void)send_by(w->s, sane, keyed(o, "key", NOW + DAY + 2 * 3600), 3, &replayed);
    assert_false(replayed);
}

static void a_key_of_before_a_quiet_week_is_new_again(void **state)
{
    world *w = *state;
    assert_false(replays(w->s, "key", NOW));
    assert_true(replays(w->s, "key", NOW + DAY - 1));
    assert_false(replays(w->s, "key", NOW + 7 * DAY));
}

static void an_op_goes_through_the_log_with_all_that_its_kept_answer_says(void **state)
{
    (void)state;
    slice embeddings[] = {{NULL, 0}};
    op *o = keyed(op_add("u", "a", "view", 7), "key", NOW), *back = NULL;
    arena memory;
    slice bytes;
    embeddings[0] = slice_of("{\"from\":[]}");
    o->answer = (op_answer){.single = true,
                            .errors_max = 20,
                            .model = 3,
                            .list = slice_of("/items"),
                            .request_id = slice_of("r-1"),
                            .embeddings = embeddings};
    memset(o->idempotency_hash, 7, sizeof o->idempotency_hash);
    arena_init(&memory, 1 << 20);
    assert_int_equal(op_encode(o, &memory, &bytes, NULL), ERR_OK);
    assert_int_equal(op_decode(&back, bytes, NULL), ERR_OK);
    assert_true(slice_equal(back->idempotency_key, slice_of("key")));
    assert_memory_equal(back->idempotency_hash, o->idempotency_hash, IDEMPOTENCY_HASH_BYTES);
    assert_true(back->answer.single);
    assert_int_equal(back->answer.errors_max, 20);
    assert_int_equal(back->answer.model, 3);
    assert_true(slice_equal(back->answer.list, slice_of("/items")));
    assert_true(slice_equal(back->answer.request_id, slice_of("r-1")));
    assert_true(slice_equal(back->answer.embeddings[0], embeddings[0]));
    op_free(back);
    back = NULL;
    ((char *)(uintptr_t)bytes.at)[0] = OP_VERSION + 1;
    assert_int_equal(op_decode(&back, bytes, NULL), ERR_CONFLICT);
    assert_null(back);
    arena_fini(&memory);
    op_free(o);
}

static void refuses(slice bytes)
{
    message *m = NULL;
    assert_int_equal(message_decode(&m, bytes, NULL, NULL), ERR_CORRUPT);
    assert_null(m);
}

static void a_damaged_message_is_refused_wherever_it_ends(void **state)
{
    (void)state;
    op *o = op_add("u", "a", "purchase", 1000);
    encoder x;
    encoder_init(&x, 1 << 20);
    message_encode(publisher, 1, (const op *const *)&o, 1, &x);
    slice whole = encoder_slice(&x);
    for (size_t length = 0; length < whole.length; length++) {
        refuses((slice){whole.at, length});
    }
    encoder_clear(&x);
    message_encode(publisher, 0, (const op *const *)&o, 1, &x); /* numbers begin at 1 */
    refuses(encoder_slice(&x));
    encoder_fini(&x);
    op_free(o);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(every_message_moves_the_position_and_a_repeat_changes_nothing_else),
        WITH_STORE(messages_that_come_out_of_order_are_each_applied_once),
        WITH_STORE(a_write_under_a_clock_years_ahead_takes_no_answer_of_the_last_day),
        WITH_STORE(a_node_a_year_ahead_expires_no_key_of_the_others),
        WITH_STORE(a_key_of_before_a_quiet_week_is_new_again),
        cmocka_unit_test(a_damaged_message_is_refused_wherever_it_ends),
        cmocka_unit_test(an_op_goes_through_the_log_with_all_that_its_kept_answer_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
