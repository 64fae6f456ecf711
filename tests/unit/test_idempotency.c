/* SPDX-License-Identifier: Apache-2.0 */
/* Users are erased among many keyed writes: each repeat gets the right answer for its key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/rng.h"
#include "storage/maintenance/check.h"
#include "tests/support/store_fixture.h"

enum { USERS = 60, WRITES_EACH = 5, ANSWER_BYTES_MAX = 700 };

typedef struct keyed_write {
    unsigned user;
    char user_id[16];
    char key[IDEMPOTENCY_KEY_BYTES_MAX + 1];
    char answer[ANSWER_BYTES_MAX];
} keyed_write;

static err_code keep_answer(const op *o, const apply_result *result, arena *a, uint16_t *status,
                            slice *body, err *e)
{
    (void)e;
    *status = result->code == ERR_OK ? 200 : 409;
    *body = arena_slice(a, o->answer.request_id);
    return ERR_OK;
}

static op *op_of(keyed_write *write, unsigned number)
{
    op *o = op_add(write->user_id, "item", "purchase", 1000 + number);
    o->idempotency_key = slice_of(write->key);
    memset(o->idempotency_hash, (int)(number % 251), sizeof o->idempotency_hash);
    o->render = keep_answer;
    o->answer.request_id = slice_of(write->answer);
    return o;
}

/* make_writes makes keys and answers of many lengths, so that records of all sizes are on one
 * page. */
static void make_writes(keyed_write *writes, uint64_t seed)
{
    rng random;
    rng_init(&random, seed, 0);
    for (unsigned i = 0; i < USERS * WRITES_EACH; i++) {
        keyed_write *write = &writes[i];
        write->user = (unsigned)rng_below(&random, USERS);
        snprintf(write->user_id, sizeof write->user_id, "user-%u", write->user);
        int used = snprintf(write->key, sizeof write->key, "%08x-%u-",
                            (unsigned)rng_below(&random, UINT32_MAX), i);
        size_t more = (size_t)rng_below(&random, IDEMPOTENCY_KEY_BYTES_MAX - (uint32_t)used);
        memset(write->key + used, 'k', more);
        used = snprintf(write->answer, sizeof write->answer, "{\"user\":\"%s\",\"pad\":\"",
                        write->user_id);
        more = (size_t)rng_below(&random, ANSWER_BYTES_MAX - (uint32_t)used - 3);
        memset(write->answer + used, 'a', more);
        memcpy(write->answer + (size_t)used + more, "\"}", 2);
    }
}

static void report(void *ctx, const char *text)
{
    (void)ctx;
    print_message("check: %s\n", text);
}

static void assert_sound(store *s, uint64_t records)
{
    const check_options options = {.problem = report};
    check_report found;
    assert_int_equal(check_run(s, &options, &found, NULL), ERR_OK);
    assert_int_equal(found.problems, 0);
    assert_int_equal(found.idempotency_records, records);
}

static void one_world(uint64_t seed)
{
    char folder[TEMP_PATH_MAX];
    keyed_write *writes = calloc((size_t)USERS * WRITES_EACH, sizeof *writes);
    bool erased[USERS] = {false};
    apply_result result;
    temp_folder(folder);
    store *s = open_store(folder);
    apply_result_init(&result);
    make_writes(writes, seed);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "item", NULL, NULL, 0), NULL), ERR_OK);
    for (unsigned i = 0; i < USERS * WRITES_EACH; i++) {
        op *o = op_of(&writes[i], i);
        assert_int_equal(apply_one(s, o, &result, NULL), ERR_OK);
        op_free(o);
    }
    for (unsigned u = 0; u < USERS; u += 2) {
        char id[16];
        snprintf(id, sizeof id, "user-%u", u);
        err_code code = apply_now(s, op_erase(id), NULL);
        assert_true(code == ERR_OK || code == ERR_NOT_FOUND); /* no write is about this user */
        erased[u] = true;
        assert_sound(s, USERS * WRITES_EACH);
    }
    for (unsigned i = 0; i < USERS * WRITES_EACH; i++) {
        op *o = op_of(&writes[i], i);
        err_code code = apply_one(s, o, &result, NULL);
        if (erased[writes[i].user]) {
            assert_int_equal(code, ERR_NOT_FOUND);
        } else {
            assert_int_equal(code, ERR_OK);
            assert_true(result.replayed);
            assert_true(slice_equal(result.body, slice_of(writes[i].answer)));
        }
        op_free(o);
    }
    assert_sound(s, USERS * WRITES_EACH);
    apply_result_fini(&result);
    store_close(s);
    temp_remove(folder);
    free(writes);
}

static void erasing_users_leaves_every_key_as_it_is(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        one_world(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(erasing_users_leaves_every_key_as_it_is),
    };
    return cmocka_run_group_tests_name("idempotency", tests, NULL, NULL);
}
