/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service compares a candidate with the chosen items only as far as necessary. Here every
 * candidate is compared with every chosen item, and the lists must be the same.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/search/scan.h"
#include "core/serve/query/diversity_reference.h"
#include "core/serve/query/recommend_scratch.h"
#include "tests/support/shop.h"

enum { SCALED = 100, DEPTH = 200 };

typedef struct pool {
    recommend_hit hits[SHOP_ITEMS_MAX];
    float unit[SHOP_ITEMS_MAX][SHOP_DIM];
    size_t count;
} pool;

/* choose_plainly compares every candidate with every chosen item. */
static void choose_plainly(const pool *p, float diversity, size_t depth, uint32_t *order)
{
    float score[SHOP_ITEMS_MAX];
    for (size_t i = 0; i < p->count; i++) {
        score[i] = p->hits[i].score;
    }
    diversity_candidates c = {
        .score = score, .unit = p->unit[0], .count = p->count, .dim = SHOP_DIM};
    assert_int_equal(diversity_reference(&c, diversity, SCALED, diversity_pool, depth, order, NULL),
                     ERR_OK);
    for (size_t i = 0; i < depth; i++) {
        order[i] = p->hits[order[i]].row;
    }
}

static void rank_by_score(const fixture *f, uint32_t user, pool *p)
{
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result got;
    q.user = user;
    q.include_seen = true;
    q.k = SHOP_ITEMS_MAX;
    assert_int_equal(recommend(f->hold.view, &q, f->scratch, &got, NULL), ERR_OK);
    for (p->count = 0; p->count < got.count && !got.hits[p->count].popular; p->count++) {
        const float *h = view_vector(f->hold.view, got.hits[p->count].row, VECTOR_H);
        float norm = sqrtf(scan_dot(h, h, SHOP_DIM));
        p->hits[p->count] = got.hits[p->count];
        for (size_t j = 0; j < SHOP_DIM; j++) {
            p->unit[p->count][j] = norm > 0 ? h[j] / norm : 0;
        }
    }
}

static void a_diverse_list_is_that_of_the_full_comparison(void **state)
{
    (void)state;
    static pool p;
    fixture f;
    size_t moved = 0;
    fixture_open(&f, 61, &shop_plain);
    for (uint32_t user = 0; user < 12; user++) {
        rank_by_score(&f, user, &p);
        if (p.count < DEPTH) {
            continue; /* a user without interactions gets popular items */
        }
        for (unsigned step = 1; step <= 5; step++) {
            uint32_t order[DEPTH];
            recommend_query q = RECOMMEND_QUERY_INIT;
            recommend_result got;
            q.user = user;
            q.include_seen = true;
            q.k = DEPTH;
            q.diversity = (float)step / 5;
            choose_plainly(&p, q.diversity, DEPTH, order);
            assert_int_equal(recommend(f.hold.view, &q, f.scratch, &got, NULL), ERR_OK);
            assert_int_equal(got.count, DEPTH);
            for (size_t i = 0; i < DEPTH; i++) {
                assert_int_equal(got.hits[i].row, order[i]);
                moved += order[i] != p.hits[i].row;
            }
        }
    }
    assert_true(moved > 1000); /* otherwise the comparison would prove nothing */
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_diverse_list_is_that_of_the_full_comparison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
