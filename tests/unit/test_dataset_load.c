/* SPDX-License-Identifier: Apache-2.0 */
/* How a training sees the records of a store: several types of a pair become one pair, with its
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/model/dataset.h"
#include "server/load/dataset_load.h"
#include "storage/env/store.h"
#include "tests/support/store_fixture.h"

static void a_pair_of_several_types_has_the_largest_weight_and_the_latest_time(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    temp_folder(folder);
    store *s = open_store(folder);
    dataset *d = NULL;
    for (unsigned i = 0; i < 3; i++) {
        const char *ids[] = {"a", "b", "c"};
        assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, ids[i], NULL, NULL, 0), NULL),
                         ERR_OK);
    }
    assert_int_equal(apply_now(s, op_add("u", "a", "view", 500), NULL), ERR_OK);
    assert_int_equal(apply_now(s, op_add("u", "a", "purchase", 300), NULL), ERR_OK);
    assert_int_equal(apply_now(s, op_add("u", "b", "purchase", 400), NULL), ERR_OK);
    assert_int_equal(apply_now(s, op_add("u", "c", "purchase", -7), NULL), ERR_OK);
    assert_int_equal(dataset_load(s, NULL, &d, NULL, NULL), ERR_OK);
    assert_int_equal(d->train_count, 3);
    assert_int_equal(d->train[0].time, 500);
    assert_int_equal(d->train[1].time, 400);
    assert_int_equal(d->train[2].time, 0);
    dataset_free(d);
    store_close(s);
    temp_remove(folder);
}

static void equal_pairs_keep_the_latest_time(void **state)
{
    (void)state;
    pair pairs[] = {{2, 1, 1, 10}, {1, 5, 1, 30}, {1, 5, 2, 20}, {1, 5, 0.5F, 40}, {1, 4, 1, 0}};
    assert_int_equal(pairs_sort(pairs, 5), 3);
    assert_true(pairs[1].item == 5 && pairs[1].weight == 2 && pairs[1].time == 40);
    assert_true(pairs[2].user == 2 && pairs[2].time == 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_of_several_types_has_the_largest_weight_and_the_latest_time),
        cmocka_unit_test(equal_pairs_keep_the_latest_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
