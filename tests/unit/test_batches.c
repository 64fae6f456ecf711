/* SPDX-License-Identifier: Apache-2.0 */
/* The batches of an epoch contain every pair once, in a different order each epoch, with a negative
 * that the user never took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "core/model/interaction_graph.h"
#include "core/train/loop/batches.h"

enum { USERS = 40, ITEMS = 30, EACH = 5, PAIRS = USERS * EACH, BATCH = 64 };

typedef struct shop {
    pair pairs[PAIRS + ITEMS];
    dataset d;
    csr *a;
    batches b;
} shop;

/* shop_init gives user u the items u .. u + 4. With `glutton` the last user has all other items
 * too. */
static void shop_init(shop *s, bool glutton)
{
    err e = ERR_INIT;
    memset(s, 0, sizeof *s);
    size_t count = 0;
    for (uint32_t u = 0; u + glutton < USERS; u++) {
        for (uint32_t k = 0; k < EACH; k++) {
            s->pairs[count++] = (pair){u, (u + k) % ITEMS, 1, 0};
        }
    }
    for (uint32_t i = 0; glutton && i < ITEMS; i++) {
        s->pairs[count++] = (pair){USERS - 1, i, 1, 0};
    }
    s->d = (dataset){.users = USERS, .items = ITEMS};
    s->d.train_count = pairs_sort(s->pairs, count);
    s->d.train = s->pairs;
    interaction_list list = {s->pairs, s->d.train_count, USERS, ITEMS};
    assert_int_equal(interaction_graph_new(&s->a, &list, 1, &e), ERR_OK);
    assert_int_equal(batches_init(&s->b, &s->d, s->a, BATCH, &e), ERR_OK);
}

static void shop_fini(shop *s)
{
    batches_fini(&s->b);
    csr_free(s->a);
}

static bool bought(const shop *s, uint32_t user, uint32_t item)
{
    for (size_t k = 0; k < s->d.train_count; k++) {
        if (s->pairs[k].user == user && s->pairs[k].item == item) {
            return true;
        }
    }
    return false;
}

static void an_epoch_has_every_pair_once_and_negatives_that_nobody_bought(void **state)
{
    (void)state;
    shop s;
    shop_init(&s, false);
    bpr_batch batch;
    assert_false(batches_next(&s.b, &batch)); /* not begun */
    batches_begin(&s.b, 1, 1);
    unsigned seen[USERS][ITEMS] = {0};
    size_t count = 0;
    while (batches_next(&s.b, &batch)) {
        assert_true(batch.count == BATCH || s.b.done == PAIRS);
        for (size_t k = 0; k < batch.count; k++, count++) {
            assert_int_equal(seen[batch.users[k]][batch.positives[k]]++, 0);
            assert_true(bought(&s, batch.users[k], batch.positives[k]));
            assert_false(bought(&s, batch.users[k], batch.negatives[k]));
        }
    }
    assert_int_equal(count, PAIRS);
    shop_fini(&s);
}

static void a_user_who_has_everything_is_left_out(void **state)
{
    (void)state;
    shop s;
    shop_init(&s, true);
    bpr_batch batch;
    size_t count = 0;
    batches_begin(&s.b, 1, 1);
    while (batches_next(&s.b, &batch)) {
        for (size_t k = 0; k < batch.count; k++, count++) {
            assert_int_not_equal(batch.users[k], USERS - 1);
        }
    }
    assert_int_equal(count, PAIRS - EACH);
    shop_fini(&s);
}

static void an_epoch_is_the_same_again_and_another_is_not(void **state)
{
    (void)state;
    shop s;
    shop_init(&s, false);
    bpr_batch batch;
    uint32_t first[3][BATCH];
    const uint64_t epochs[3] = {1, 1, 2};
    for (int i = 0; i < 3; i++) {
        batches_begin(&s.b, 7, epochs[i]);
        assert_true(batches_next(&s.b, &batch));
        memcpy(first[i], batch.users, sizeof first[i]);
    }
    assert_memory_equal(first[0], first[1], sizeof first[0]);
    assert_memory_not_equal(first[0], first[2], sizeof first[0]);
    shop_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_has_every_pair_once_and_negatives_that_nobody_bought),
        cmocka_unit_test(a_user_who_has_everything_is_left_out),
        cmocka_unit_test(an_epoch_is_the_same_again_and_another_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
