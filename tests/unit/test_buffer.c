/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/common/buffer.h"
#include "core/common/mem.h"

static void bytes_are_appended_and_kept_while_the_buffer_grows(void **state)
{
    (void)state;
    buffer b;
    buffer_init(&b, 1 << 20);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned char byte = (unsigned char)(i * 7);
        buffer_put(&b, &byte, 1);
    }
    assert_int_equal(b.failed, ERR_OK);
    assert_int_equal(b.length, 100000);
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal((unsigned char)b.at[i], (unsigned char)(i * 7));
    }
    buffer_fini(&b);
}

static void a_ceiling_is_reached_and_never_passed(void **state)
{
    (void)state;
    buffer b;
    buffer_init(&b, 3000);
    static char text[3001];
    buffer_put(&b, text, 1500);
    buffer_put(&b, text, 1500);
    assert_int_equal(b.failed, ERR_OK);
    assert_true(b.capacity <= 3000);
    buffer_put(&b, text, 1);
    assert_int_equal(b.failed, ERR_TOO_LARGE);
    assert_int_equal(b.length, 3000);
    assert_null(buffer_reserve(&b, 0));
    buffer_reset(&b, SIZE_MAX);
    assert_int_equal(b.failed, ERR_OK);
    buffer_put(&b, text, 3001);
    assert_int_equal(b.failed, ERR_TOO_LARGE);
    buffer_fini(&b);
}

static void want_of_memory_is_remembered_and_leaves_what_was_written(void **state)
{
    (void)state;
    buffer b;
    buffer_init(&b, 1 << 20);
    buffer_put_text(&b, "kept");
    mem_fail_at(0);
    static char text[5000];
    buffer_put(&b, text, sizeof text);
    mem_fail_at(-1);
    buffer_put_text(&b, "ignored");
    assert_int_equal(b.failed, ERR_NOMEM);
    assert_int_equal(b.length, 4);
    assert_memory_equal(buffer_slice(&b).at, "kept", 4);
    buffer_fini(&b);
}

static void a_fixed_buffer_keeps_to_its_memory(void **state)
{
    (void)state;
    char memory[9] = "????????";
    buffer b;
    buffer_init_fixed(&b, memory, 8);
    buffer_put_text(&b, "12345");
    buffer_put_text(&b, "6789");
    assert_int_equal(b.failed, ERR_TOO_LARGE);
    assert_int_equal(b.length, 5);
    assert_string_equal(memory, "12345???");
}

static void large_capacities_come_from_the_budget_and_go_back(void **state)
{
    (void)state;
    static budget shared;
    static char text[1 << 20];
    budget_init(&shared, 100000);
    buffer b;
    buffer_init(&b, 1 << 20);
    b.budget = &shared;
    buffer_put(&b, text, BUFFER_FREE_BYTES);
    assert_int_equal(budget_taken(&shared), 0);
    buffer_put(&b, text, 1);
    assert_int_equal(budget_taken(&shared), b.capacity);
    buffer_put(&b, text, 200000);
    assert_int_equal(b.failed, ERR_UNAVAILABLE);
    buffer_reset(&b, BUFFER_FREE_BYTES);
    assert_int_equal(budget_taken(&shared), 0);
    assert_int_equal(b.failed, ERR_OK);
    buffer_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_appended_and_kept_while_the_buffer_grows),
        cmocka_unit_test(a_ceiling_is_reached_and_never_passed),
        cmocka_unit_test(want_of_memory_is_remembered_and_leaves_what_was_written),
        cmocka_unit_test(a_fixed_buffer_keeps_to_its_memory),
        cmocka_unit_test(large_capacities_come_from_the_budget_and_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
