/* SPDX-License-Identifier: Apache-2.0 */
/* The index of new items' links finds all entries, in small chunks and in large ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/serve/state/later_links.h"

enum { TARGETS = 64, LISTS = (2 * LATER_LARGE + LATER_SMALL) / TARGETS };

static void every_entry_is_found_across_chunks(void **state)
{
    (void)state;
    links_entry entries[TARGETS];
    for (uint32_t i = 0; i < TARGETS; i++) {
        entries[i] = (links_entry){i, (float)(i + 1)};
    }
    later_index x;
    err e = ERR_INIT;
    assert_int_equal(later_index_init(&x, TARGETS, &e), ERR_OK);
    later_list *list = NULL;
    assert_int_equal(later_list_new(&list, UINT32_MAX, entries, TARGETS, &e), ERR_OK);
    for (uint32_t n = 0; n < LISTS; n++) {
        list->serial = n + 1;
        assert_int_equal(later_index_add(&x, TARGETS + n, list, &e), ERR_OK);
    }
    assert_int_equal(x.count, LISTS * TARGETS);
    for (uint32_t i = 0; i < TARGETS; i++) {
        uint32_t left = LISTS; /* the newest entry is first */
        const later_entry *in = later_index_first(&x, i);
        for (; in != NULL; in = later_index_next(&x, in), left--) {
            assert_true(left > 0 && in->serial == left && in->item == TARGETS + left - 1);
            assert_true(in->weight == (float)(i + 1));
        }
        assert_int_equal(left, 0);
    }
    assert_null(later_index_first(&x, TARGETS));
    later_list_release(list);
    later_index_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_entry_is_found_across_chunks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
