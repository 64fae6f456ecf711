/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/common/arena.h"
#include "core/common/mem.h"

/* reserve grows an array in the arena, or on the heap if `a` is NULL. */
static void *reserve(arena *a, void *old, size_t *room, size_t count, size_t size)
{
    return a != NULL ? arena_reserve(a, old, room, count, size)
                     : mem_reserve(old, room, count, size);
}

static void push_many(arena *a)
{
    enum { COUNT = 100000 };
    uint32_t *list = NULL;
    size_t room = 0, moves = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        size_t before = room;
        uint32_t *grown = reserve(a, list, &room, i + 1, sizeof *grown);
        assert_non_null(grown);
        assert_true(room == before || (room >= 2 * before && room > i));
        moves += room != before;
        list = grown;
        list[i] = i * 7;
    }
    assert_in_range(moves, 1, 20);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(list[i], i * 7);
    }
    if (a == NULL) {
        mem_free(list);
    }
}

static void an_array_on_the_heap_doubles_and_keeps_its_elements(void **state)
{
    (void)state;
    push_many(NULL);
}

static void an_array_in_an_arena_doubles_and_keeps_its_elements(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 1 << 20);
    push_many(&a);
    assert_in_range(a.used, sizeof(uint32_t) * 100000, sizeof(uint32_t) * 2 * 131072);
    arena_fini(&a);
}

static void room_for_many_at_once_is_given_at_once(void **state)
{
    (void)state;
    size_t room = 0;
    char *text = mem_reserve(NULL, &room, 5000, 1);
    assert_non_null(text);
    assert_int_equal(room, 5000);
    assert_ptr_equal(mem_reserve(text, &room, 4999, 1), text);
    assert_int_equal(room, 5000);
    mem_free(text);
}

static void a_failure_leaves_the_array_as_it_was(void **state)
{
    (void)state;
    size_t room = 0;
    uint64_t *list = mem_reserve(NULL, &room, 1, sizeof *list);
    assert_non_null(list);
    size_t before = room;
    mem_fail_at(0);
    void *refused = mem_reserve(list, &room, before + 1, sizeof *list);
    mem_fail_at(-1);
    assert_null(refused);
    assert_int_equal(room, before);
    list[before - 1] = 1;
    mem_free(list);

    arena a;
    arena_init(&a, 1000);
    room = 0;
    list = arena_reserve(&a, NULL, &room, 16, sizeof *list);
    assert_non_null(list);
    before = room;
    assert_null(arena_reserve(&a, list, &room, 1000, sizeof *list)); /* over the limit */
    assert_int_equal(room, before);
    arena_fini(&a);
}

static void a_room_that_would_overflow_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mem_room(SIZE_MAX / 2 + 1, SIZE_MAX), 0);
    assert_int_equal(mem_room(100, 101), 200);
    assert_int_equal(mem_room(100, 1000), 1000);
    size_t room = SIZE_MAX / 2 + 1; /* doubling overflows to 0 */
    assert_null(mem_reserve(NULL, &room, room + 1, 1));
    assert_int_equal(room, SIZE_MAX / 2 + 1);
    room = 1;
    /* the size in bytes overflows to 8 */
    assert_null(mem_reserve(NULL, &room, SIZE_MAX / 8 + 2, 8));
    assert_int_equal(room, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_on_the_heap_doubles_and_keeps_its_elements),
        cmocka_unit_test(an_array_in_an_arena_doubles_and_keeps_its_elements),
        cmocka_unit_test(room_for_many_at_once_is_given_at_once),
        cmocka_unit_test(a_failure_leaves_the_array_as_it_was),
        cmocka_unit_test(a_room_that_would_overflow_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
